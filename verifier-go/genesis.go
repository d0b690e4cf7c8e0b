package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

func parseGenesis(file []byte) (*state, error) {
	o, err := parseCanonical(file, maximumGenesis)
	if err != nil {
		return nil, err
	}
	if err := members(o, []string{"format", "members", "origin", "parameters", "quorum", "ruleSet"}, "previous"); err != nil {
		return nil, err
	}
	if text(o, "format") != "concordat/genesis/v1" {
		return nil, unreadable("an unknown format of genesis")
	}
	origin := text(o, "origin")
	if !validKeyName(origin) || !validOrigin(origin) {
		return nil, unreadable("an origin that is no key name")
	}
	first := version{ruleSet: text(o, "ruleSet")}
	if first.numerator, first.denominator, err = parseQuorum(o["quorum"]); err != nil {
		return nil, err
	}
	if !hexDigest.MatchString(first.ruleSet) {
		return nil, unreadable("a rule set is 64 hex digits")
	}
	if first.parameters, err = parseParameters(o["parameters"]); err != nil {
		return nil, err
	}
	if previous, ok := o["previous"]; ok {
		if err := checkPrevious(previous, origin); err != nil {
			return nil, err
		}
	}
	listed, err := list(o, "members")
	if err != nil {
		return nil, err
	}
	for _, each := range listed {
		m, err := parseMember(each, origin)
		if err != nil {
			return nil, err
		}
		first.members = append(first.members, *m)
	}
	if !distinct(first.members) {
		return nil, unreadable("a member or key stands twice")
	}
	return &state{origin: origin, versions: []version{first}, proposals: map[string]*proposal{}}, nil
}

func parseMember(value any, origin string) (*member, error) {
	o, ok := value.(object)
	if !ok {
		return nil, unreadable("a member is not an object")
	}
	if err := members(o, []string{"agreementKey", "batchKey", "cosignerKey", "name", "originKey"}); err != nil {
		return nil, err
	}
	m := &member{name: text(o, "name"), active: true}
	if !memberName.MatchString(m.name) {
		return nil, unreadable("a bad member name")
	}
	var err error
	if m.batch, err = parseKey(text(o, "batchKey"), m.name, plainKey); err != nil {
		return nil, err
	}
	if m.origin, err = parseKey(text(o, "originKey"), origin, plainKey); err != nil {
		return nil, err
	}
	if m.cosigner, err = parseKey(text(o, "cosignerKey"), m.name+"/cosigner", cosignerKey); err != nil {
		return nil, err
	}
	if m.agreement, err = decode(o["agreementKey"]); err != nil || len(m.agreement) != 32 {
		return nil, unreadable("a bad agreement key")
	}
	return m, nil
}

// parseParameters checks the bounds of format section 11, and gives the canonical form.
func parseParameters(value any) (string, error) {
	o, _ := value.(object)
	most := map[string]int64{"cutIntervalMs": 86400000, "freezeAfterMs": 86400000, "idleCutIntervalMs": 86400000, "ruleSetGraceCuts": 10000000}
	if err := members(o, []string{"cutIntervalMs", "freezeAfterMs", "idleCutIntervalMs", "ruleSetGraceCuts"}); err != nil {
		return "", err
	}
	for name, limit := range most {
		n, err := count(o, name)
		if err != nil || n > limit || (name != "ruleSetGraceCuts" && n < 10) {
			return "", unreadable("a parameter is out of range")
		}
	}
	return canonicalise(o, 0)
}

func checkPrevious(value any, origin string) error {
	o, _ := value.(object)
	if err := members(o, []string{"origin", "root", "size"}, "chains", "rules"); err != nil {
		return err
	}
	if _, ok := o["rules"]; ok {
		if _, err := count(o, "rules"); err != nil {
			return err
		}
	}
	if chains, ok := o["chains"]; ok {
		named, isObject := chains.(object)
		if !isObject {
			return unreadable("chains that are no object")
		}
		if len(named) > maximumChains {
			return unreadable("too many chains")
		}
		for chain, hash := range named {
			member, writer, both := strings.Cut(chain, "/")
			digest, err := decode(hash)
			if !both || !memberName.MatchString(member) || !memberName.MatchString(writer) || err != nil || len(digest) != 32 {
				return unreadable("a bad chain of the previous log")
			}
		}
	}
	size, err := count(o, "size")
	root, errRoot := decode(o["root"])
	if name := text(o, "origin"); err != nil || size < 1 || errRoot != nil || len(root) != 32 || !validOrigin(name) || name == origin {
		return unreadable("a bad previous log")
	}
	return nil
}

func parseQuorum(value any) (int64, int64, error) {
	o, ok := value.(object)
	if !ok {
		return 0, 0, unreadable("no quorum")
	}
	if err := members(o, []string{"denominator", "numerator"}); err != nil {
		return 0, 0, err
	}
	numerator, err := count(o, "numerator")
	if err != nil {
		return 0, 0, err
	}
	denominator, err := count(o, "denominator")
	if err != nil || denominator > 100 || numerator >= denominator || 3*numerator < 2*denominator {
		return 0, 0, unreadable("a quorum is at least 2/3 and below 1")
	}
	return numerator, denominator, nil
}

func distinct(all []member) bool {
	seen := map[string]bool{}
	for _, m := range all {
		for _, s := range []string{"n" + m.name, "k" + string(m.batch.public), "k" + string(m.origin.public), "k" + string(m.cosigner.public), "k" + string(m.agreement)} {
			if seen[s] {
				return false
			}
			seen[s] = true
		}
	}
	return len(all) > 0 && len(all) <= 64
}

// validOrigin is an origin as format section 11 has it: one line without control characters.
func validOrigin(name string) bool {
	return name != "" && len(name) <= maximumName && utf8.ValidString(name) && strings.IndexFunc(name, unicode.IsControl) < 0
}
