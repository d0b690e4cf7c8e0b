package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// verifyEpoch checks an epoch file (format section 13): that enough members of the old log, by the state its genesis and history give, signed the
// new genesis, and that this goes on from the old log's last final checkpoint.
func verifyEpoch(file, newGenesis, lastCheckpoint []byte, s *state) error {
	o, err := parseCanonical(file, maximumEpoch)
	if err != nil {
		return err
	}
	if err := members(o, []string{"format", "records"}); err != nil || text(o, "format") != "concordat/epoch/v1" {
		return unreadable("not an epoch file")
	}
	records, err := list(o, "records")
	if err != nil {
		return err
	}
	tree, err := s.checkFinal(lastCheckpoint)
	if err != nil {
		return err
	}
	change, err := s.openedBy(records, tree.N)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(newGenesis)
	size, err := count(change, "size")
	if err != nil || size != tree.N || text(change, "root") != encode(tree.Hash[:]) || text(change, "genesis") != encode(digest[:]) {
		return fmt.Errorf("epoch: another checkpoint or genesis was agreed on")
	}
	next, err := parseGenesis(newGenesis)
	if err != nil {
		return err
	}
	parsed, _ := parseCanonical(newGenesis, maximumGenesis)
	previous, err := inner(parsed, "previous")
	if err != nil {
		return fmt.Errorf("epoch: the new genesis goes on from no log")
	}
	at, err := count(previous, "size")
	if err != nil || text(previous, "origin") != s.origin || at != size || text(previous, "root") != text(change, "root") {
		return fmt.Errorf("epoch: the new genesis goes on from elsewhere")
	}
	fmt.Printf("ok\nfrom: %s\nsize: %d\nto: %s\n", s.origin, size, next.origin)
	return nil
}

// openedBy checks the proposal and the votes on it, and gives the change that enough of the members signed that were active where the log ended.
func (s *state) openedBy(records []any, size int64) (object, error) {
	v := s.atLeaf(size)
	var change object
	proposal := ""
	agreed := map[string]bool{}
	for i, each := range records {
		record, _ := each.(object)
		if err := members(record, []string{"body", "header"}); err != nil {
			return nil, err
		}
		header, err := decode(record["header"])
		if err != nil {
			return nil, err
		}
		body, err := decode(record["body"])
		if err != nil {
			return nil, err
		}
		m, act, err := s.signedAct(header, body, v.from)
		if err != nil {
			return nil, err
		}
		switch {
		case i == 0 && text(act, "act") == "propose":
			if change, err = inner(act, "change"); err != nil || text(change, "kind") != "open-epoch" {
				return nil, fmt.Errorf("epoch: a proposal of something else")
			}
			digest := sha256.Sum256(header)
			proposal = hex.EncodeToString(digest[:])
			agreed[m.name] = true
		case i > 0 && text(act, "act") == "vote" && text(act, "proposal") == proposal:
			if text(act, "vote") == "yes" {
				agreed[m.name] = true
			}
		default:
			return nil, fmt.Errorf("epoch: neither its proposal nor a vote on it")
		}
	}
	if needed := epochVotes(len(v.active())); len(agreed) < needed {
		return nil, fmt.Errorf("epoch: %d of %d needed opened it", len(agreed), needed)
	}
	return change, nil
}

// signedAct reads a governance record that an active member of this log signed with a key in force at a leaf.
func (s *state) signedAct(header, body []byte, index int64) (*member, object, error) {
	h, err := parseHeader(header, "concordat/governance/v1", []string{"log", "member", "bytes", "body"})
	if err != nil {
		return nil, nil, err
	}
	m := s.atLeaf(index).find(h["member"])
	digest := sha256.Sum256(body)
	named, err := decode(h["body"])
	if err != nil {
		return nil, nil, err
	}
	if h["log"] != s.origin || m == nil || !m.active || !bytes.Equal(named, digest[:]) || h["bytes"] != fmt.Sprint(len(body)) {
		return nil, nil, fmt.Errorf("a record by no active member of this log, or with another body")
	}
	if _, _, err := openNote(header, m.keysAt(index)...); err != nil {
		return nil, nil, err
	}
	act, err := parseAct(body, s.origin)
	return m, act, err
}
