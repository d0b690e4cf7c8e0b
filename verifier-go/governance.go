package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

type former struct {
	key   *key
	until int64
}

type member struct {
	name                    string
	batch, origin, cosigner *key
	agreement               []byte
	active                  bool
	former                  []former
}

// version is what is in force for leaves from `from` on and for checkpoints of greater size (format section 12.2).
type version struct {
	from                   int64
	members                []member
	numerator, denominator int64
	ruleSet                string
}

type proposal struct {
	change    object
	votes     map[string]string
	status    string
	decidedAt int64
	order     int
}

type state struct {
	origin    string
	versions  []version
	proposals map[string]*proposal
	removed   []string
	decisions int
	closed    bool
}

func parseGenesis(file []byte) (*state, error) {
	o, err := parseCanonical(file)
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
	first := version{ruleSet: text(o, "ruleSet")}
	if first.numerator, first.denominator, err = parseQuorum(o["quorum"]); err != nil {
		return nil, err
	}
	if !hexDigest.MatchString(first.ruleSet) {
		return nil, unreadable("a rule set is 64 hex digits")
	}
	if err := checkParameters(o["parameters"]); err != nil {
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

// checkParameters checks the bounds of format section 11.
func checkParameters(value any) error {
	o, _ := value.(object)
	most := map[string]int64{"cutIntervalMs": 86400000, "freezeAfterMs": 86400000, "idleCutIntervalMs": 86400000, "ruleSetGraceCuts": 10000000}
	if err := members(o, []string{"cutIntervalMs", "freezeAfterMs", "idleCutIntervalMs", "ruleSetGraceCuts"}); err != nil {
		return err
	}
	for name, limit := range most {
		n, err := count(o, name)
		if err != nil || n > limit || (name != "ruleSetGraceCuts" && n < 10) {
			return unreadable("a parameter is out of range")
		}
	}
	return nil
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
	if name := text(o, "origin"); err != nil || size < 1 || errRoot != nil || len(root) != 32 || name == "" || name == origin || strings.Contains(name, "\n") {
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

func (s *state) latest() *version { return &s.versions[len(s.versions)-1] }

func (s *state) atLeaf(index int64) *version {
	for i := len(s.versions) - 1; i > 0; i-- {
		if s.versions[i].from <= index {
			return &s.versions[i]
		}
	}
	return &s.versions[0]
}

func (s *state) atSize(size int64) *version { return s.atLeaf(size - 1) }

func (v *version) find(name string) *member {
	for i := range v.members {
		if v.members[i].name == name {
			return &v.members[i]
		}
	}
	return nil
}

func (v *version) active() []member {
	return slices.DeleteFunc(slices.Clone(v.members), func(m member) bool { return !m.active })
}

func (v *version) quorum() int {
	n := int64(len(v.active()))
	return int(min(n, n*v.numerator/v.denominator+1))
}

func (m *member) keysAt(index int64) []*key {
	keys := []*key{m.batch}
	for _, f := range m.former {
		if index < f.until {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// follow applies a history file (format section 12.3).
func (s *state) follow(file []byte) error {
	o, err := parseCanonical(file)
	if err != nil {
		return err
	}
	if err := members(o, []string{"format", "steps"}); err != nil || text(o, "format") != "concordat/history/v1" {
		return unreadable("not a history")
	}
	steps, err := list(o, "steps")
	if err != nil {
		return err
	}
	size := int64(0)
	for _, each := range steps {
		step, _ := each.(object)
		signed, err := decode(step["checkpoint"])
		if err != nil {
			return err
		}
		tree, err := s.checkFinal(signed)
		if err != nil {
			return err
		}
		if tree.N <= size {
			return fmt.Errorf("history: checkpoints out of order")
		}
		records, err := list(step, "records")
		if err != nil {
			return err
		}
		last := size - 1
		for _, r := range records {
			record, _ := r.(object)
			if last, err = s.takeRecord(record, tree, last); err != nil {
				return err
			}
		}
		if !s.activate(tree.N) {
			return fmt.Errorf("history: a step that changes nothing")
		}
		size = tree.N
	}
	return nil
}

func (s *state) takeRecord(record object, tree tlog.Tree, last int64) (int64, error) {
	index, err := count(record, "index")
	if err != nil {
		return 0, err
	}
	header, err := decode(record["header"])
	if err != nil {
		return 0, err
	}
	body, err := decode(record["body"])
	if err != nil {
		return 0, err
	}
	path, err := hashes(record, "path")
	if err != nil {
		return 0, err
	}
	if index <= last {
		return 0, fmt.Errorf("history: records out of order")
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, leafHash(header)); err != nil {
		return 0, err
	}
	return index, s.apply(header, body, index)
}

func (s *state) apply(header, body []byte, index int64) error {
	v := s.atLeaf(index)
	m, o, err := s.signedAct(header, body, index)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	headerHash := sha256.Sum256(header)
	id, vote := hex.EncodeToString(headerHash[:]), "yes"
	if text(o, "act") == "propose" {
		change, err := inner(o, "change")
		if err != nil {
			return err
		}
		if s.proposals[id] != nil {
			return fmt.Errorf("history: a proposal twice")
		}
		if _, err := s.changed(change, index); err != nil {
			return err
		}
		s.proposals[id] = &proposal{change: change, votes: map[string]string{}, status: "open"}
	} else {
		id, vote = text(o, "proposal"), text(o, "vote")
	}
	p := s.proposals[id]
	if p == nil || p.votes[m.name] != "" || (vote != "yes" && vote != "no") {
		return fmt.Errorf("history: a vote on nothing, or a second one")
	}
	if p.status != "open" {
		return nil
	}
	p.votes[m.name] = vote
	yes, no, voters := 0, 0, 0
	target := ""
	switch text(p.change, "kind") {
	case "suspend", "remove", "accept-evidence":
		target = text(p.change, "member")
	}
	for _, each := range v.active() {
		if each.name == target {
			continue
		}
		voters++
		switch p.votes[each.name] {
		case "yes":
			yes++
		case "no":
			no++
		}
	}
	needed := v.quorum()
	if target != "" {
		needed = 2*voters/3 + 1
	} else if text(p.change, "kind") == "open-epoch" {
		needed = 2*(voters-1)/3 + 1
	}
	if yes >= needed {
		s.decisions++
		p.status, p.decidedAt, p.order = "decided", index, s.decisions
	} else if voters-no < needed {
		p.status = "rejected"
	}
	return nil
}

// activate brings decided changes into force at a size, and says whether there was one.
func (s *state) activate(size int64) bool {
	var waiting []*proposal
	for _, p := range s.proposals {
		if p.status == "decided" && p.decidedAt < size && text(p.change, "kind") != "open-epoch" {
			waiting = append(waiting, p)
		}
	}
	slices.SortFunc(waiting, func(a, b *proposal) int { return a.order - b.order })
	changed := false
	for _, p := range waiting {
		p.status = "moot"
		v, err := s.changed(p.change, size)
		if err != nil {
			continue
		}
		p.status, changed = "in-force", true
		if text(p.change, "kind") == "remove" {
			s.removed = append(s.removed, text(p.change, "member"))
		}
		if s.latest().from == size {
			s.versions = s.versions[:len(s.versions)-1]
		}
		s.versions = append(s.versions, *v)
	}
	return changed
}

// changed is the newest version with a change applied (the table of format section 12.1). Evidence itself is not opened here: the votes
// of a quorum of the others are what puts it in force.
func (s *state) changed(change object, from int64) (*version, error) {
	impossible := fmt.Errorf("history: a change that is not possible")
	v := *s.latest()
	v.from = from
	v.members = slices.Clone(v.members)
	switch kind := text(change, "kind"); kind {
	case "admit", "rotate-key":
		m, err := parseMember(change["member"], s.origin)
		if err != nil {
			return nil, err
		}
		if err := s.accepted(change, m); err != nil {
			return nil, err
		}
		old := v.find(m.name)
		if kind == "admit" {
			if old != nil || slices.Contains(s.removed, m.name) {
				return nil, impossible
			}
			v.members = append(v.members, *m)
		} else {
			grace, err := count(change, "graceLeaves")
			if err != nil || old == nil {
				return nil, impossible
			}
			m.active = old.active
			if old.batch.text != m.batch.text {
				m.former = append(m.former, former{old.batch, from + grace})
			}
			for _, f := range old.former {
				if f.until > from {
					m.former = append(m.former, f)
				}
			}
			*old = *m
		}
	case "suspend", "accept-evidence":
		m := v.find(text(change, "member"))
		if m == nil || !m.active {
			return nil, impossible
		}
		m.active = false
	case "remove":
		name := text(change, "member")
		if v.find(name) == nil {
			return nil, impossible
		}
		v.members = slices.DeleteFunc(v.members, func(m member) bool { return m.name == name })
	case "change-quorum":
		var err error
		if v.numerator, v.denominator, err = parseQuorum(change["quorum"]); err != nil {
			return nil, err
		}
	case "adopt-rule-set":
		if !hexDigest.MatchString(text(change, "digest")) {
			return nil, unreadable("a rule set is 64 hex digits")
		}
		if v.ruleSet == text(change, "digest") {
			return nil, impossible
		}
		v.ruleSet = text(change, "digest")
	case "change-parameters":
		if err := checkParameters(change["parameters"]); err != nil {
			return nil, err
		}
	case "open-epoch":
	default:
		return nil, unreadable("an unknown kind of change")
	}
	if len(v.active()) == 0 || !distinct(v.members) {
		return nil, impossible
	}
	return &v, nil
}

// accepted checks that a member with new keys signed for them.
func (s *state) accepted(change object, m *member) error {
	acceptance, err := decode(change["acceptance"])
	if err != nil {
		return err
	}
	canonical, err := canonicalise(change["member"], 0)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(canonical))
	want := fmt.Sprintf("concordat/acceptance/v1\nlog %s\nmember %s\nkeys %s\n", s.origin, m.name, encode(digest[:]))
	got, by, err := openNote(acceptance, m.batch, m.origin)
	if err != nil {
		return err
	}
	if got != want || len(by) != 2 {
		return fmt.Errorf("history: not accepted by both keys of the member")
	}
	return nil
}
