package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

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
	parameters             string
}

type proposal struct {
	proposer  string
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
	followed  bool
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

func (m *member) sameKeys(other *member) bool {
	return m.batch.text == other.batch.text && m.origin.text == other.origin.text && m.cosigner.text == other.cosigner.text &&
		bytes.Equal(m.agreement, other.agreement)
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
	s.followed = true
	o, err := parseCanonical(file, maximumHistory)
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
		if err := members(step, []string{"checkpoint", "records"}); err != nil {
			return err
		}
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
	if err := members(record, []string{"body", "header", "index", "path"}); err != nil {
		return 0, err
	}
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
	m, act, err := s.signedAct(header, body, index)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if s.closed {
		return fmt.Errorf("history: a record after the log was ended")
	}
	headerHash := sha256.Sum256(header)
	id, vote := hex.EncodeToString(headerHash[:]), "yes"
	if text(act, "act") == "propose" {
		change, err := inner(act, "change")
		if err != nil {
			return err
		}
		if err := s.propose(id, m.name, change, index); err != nil {
			return err
		}
	} else {
		id, vote = text(act, "proposal"), text(act, "vote")
	}
	p := s.proposals[id]
	if p == nil || p.votes[m.name] != "" {
		return fmt.Errorf("history: a vote on nothing, or a second one")
	}
	p.votes[m.name] = vote
	if p.status == "open" {
		s.countVotes(p, index)
	}
	return nil
}

func (s *state) propose(id, proposer string, change object, index int64) error {
	if s.proposals[id] != nil {
		return fmt.Errorf("history: a proposal twice")
	}
	open := 0
	for _, p := range s.proposals {
		if p.proposer == proposer && p.status == "open" {
			open++
		}
	}
	if open >= maximumOpenProposals {
		return fmt.Errorf("history: too many open proposals by one member")
	}
	if err := s.checkClaims(change); err != nil {
		return err
	}
	if _, err := s.changed(change, index); err != nil {
		return err
	}
	s.proposals[id] = &proposal{proposer: proposer, change: change, votes: map[string]string{}, status: "open"}
	return nil
}

// checkClaims checks what a change rests on: who accepted it, or what shows that a member lied.
func (s *state) checkClaims(change object) error {
	switch text(change, "kind") {
	case "admit", "rotate-key":
		m, err := parseMember(change["member"], s.origin)
		if err != nil {
			return err
		}
		return s.accepted(change, m)
	case "accept-evidence":
		return s.checkEvidenceOf(change["evidence"], text(change, "member"))
	case "suspend", "remove":
		ground, err := inner(change, "ground")
		if evidence, ok := ground["evidence"]; ok && err == nil {
			return s.checkEvidenceOf(evidence, text(change, "member"))
		}
		return err
	}
	return nil
}

func (s *state) checkEvidenceOf(encoded any, name string) error {
	file, err := decode(encoded)
	if err != nil {
		return err
	}
	e, err := s.checkEvidence(file)
	if err == nil && e.member != name {
		return fmt.Errorf("evidence: about somebody else")
	}
	return err
}

// countVotes settles an open proposal after a vote at a leaf (format section 12.2).
func (s *state) countVotes(p *proposal, index int64) {
	v := s.atLeaf(index)
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
		needed = epochVotes(voters)
	}
	if yes >= needed {
		s.decisions++
		p.status, p.decidedAt, p.order = "decided", index, s.decisions
		// An epoch does not wait for a checkpoint: nothing counts in this log any more.
		s.closed = s.closed || text(p.change, "kind") == "open-epoch"
	} else if voters-no < needed {
		p.status = "rejected"
	}
}

// epochVotes is how many of the active members open an epoch: two sets of so many cannot open two.
func epochVotes(members int) int {
	return max(1, min(2*members/3+1, members-1))
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

// changed is the newest version with a change applied (the table of format section 12.1).
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
		old := v.find(m.name)
		if kind == "admit" {
			if old != nil || slices.Contains(s.removed, m.name) {
				return nil, impossible
			}
			v.members = append(v.members, *m)
		} else {
			grace, err := count(change, "graceLeaves")
			if err != nil || old == nil || old.sameKeys(m) {
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
		numerator, denominator, err := parseQuorum(change["quorum"])
		if err != nil || (numerator == v.numerator && denominator == v.denominator) {
			return nil, impossible
		}
		v.numerator, v.denominator = numerator, denominator
	case "adopt-rule-set":
		if v.ruleSet == text(change, "digest") {
			return nil, impossible
		}
		v.ruleSet = text(change, "digest")
	case "change-parameters":
		parameters, err := parseParameters(change["parameters"])
		if err != nil || parameters == v.parameters {
			return nil, impossible
		}
		v.parameters = parameters
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
	if _, lines, err := parseNote(acceptance); err != nil || got != want || len(by) != 2 || len(lines) != 2 {
		return fmt.Errorf("history: not accepted by both keys of the member")
	}
	return nil
}
