package main

import "slices"

// parseAct reads the body of a governance record (format section 12.1).
func parseAct(body []byte, origin string) (object, error) {
	o, err := parseCanonical(body, maximumGovernance)
	if err != nil {
		return nil, err
	}
	switch text(o, "act") {
	case "propose":
		if err := members(o, []string{"act", "change", "nonce"}); err != nil {
			return nil, err
		}
		change, err := inner(o, "change")
		if err != nil {
			return nil, err
		}
		if !isBytes(text(o, "nonce"), 16) {
			return nil, unreadable("a nonce has 16 bytes")
		}
		return o, checkChange(change, origin)
	case "vote":
		if err := members(o, []string{"act", "proposal", "vote"}); err != nil {
			return nil, err
		}
		if !hexDigest.MatchString(text(o, "proposal")) || !slices.Contains([]string{"yes", "no"}, text(o, "vote")) {
			return nil, unreadable("a bad vote")
		}
		return o, nil
	}
	return nil, unreadable("neither a proposal nor a vote")
}

var changeMembers = map[string][]string{
	"admit":             {"acceptance", "member"},
	"suspend":           {"ground", "member"},
	"remove":            {"ground", "member"},
	"rotate-key":        {"acceptance", "graceLeaves", "member"},
	"change-quorum":     {"quorum"},
	"adopt-rule-set":    {"digest"},
	"change-parameters": {"parameters"},
	"accept-evidence":   {"evidence", "member"},
	"open-epoch":        {"genesis", "root", "size"},
}

// checkChange checks the form of a change: its members, and each by itself.
func checkChange(change object, origin string) error {
	kind := text(change, "kind")
	names, known := changeMembers[kind]
	if !known {
		return unreadable("an unknown kind of change")
	}
	if err := members(change, append([]string{"kind"}, names...)); err != nil {
		return err
	}
	for _, name := range names {
		if err := checkChangeMember(kind, name, change, origin); err != nil {
			return err
		}
	}
	return nil
}

func checkChangeMember(kind, name string, change object, origin string) error {
	var err error
	switch name {
	case "member":
		if kind == "admit" || kind == "rotate-key" {
			_, err = parseMember(change[name], origin)
		} else if _, isText := change[name].(string); !isText {
			err = unreadable("a member is named")
		}
	case "acceptance", "evidence":
		_, err = decode(change[name])
	case "ground":
		err = checkGround(change[name])
	case "graceLeaves":
		var leaves int64
		if leaves, err = count(change, name); err == nil && leaves > maximumGraceLeaves {
			err = unreadable("the grace is too long")
		}
	case "quorum":
		_, _, err = parseQuorum(change[name])
	case "digest":
		if !hexDigest.MatchString(text(change, name)) {
			err = unreadable("a rule set is 64 hex digits")
		}
	case "parameters":
		_, err = parseParameters(change[name])
	case "genesis", "root":
		_, err = parseHash(text(change, name))
	case "size":
		_, err = count(change, name)
	}
	return err
}

func checkGround(value any) error {
	ground, ok := value.(object)
	if !ok || len(ground) != 1 {
		return unreadable("a ground is evidence or a freeze")
	}
	if evidence, ok := ground["evidence"]; ok {
		_, err := decode(evidence)
		return err
	}
	_, err := count(ground, "freeze")
	return err
}
