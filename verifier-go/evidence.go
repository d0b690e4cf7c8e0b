package main

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// evidence is a file of format section 15.
type evidence struct {
	kind, member  string
	first, second []byte
	root          *tlog.Hash
	path          []tlog.Hash
}

func parseEvidence(file []byte) (*evidence, error) {
	o, err := parseCanonical(file, maximumEvidence)
	if err != nil {
		return nil, err
	}
	if err := members(o, []string{"first", "format", "kind", "member", "second"}, "connection"); err != nil {
		return nil, err
	}
	e := &evidence{kind: text(o, "kind"), member: text(o, "member")}
	if text(o, "format") != "concordat/evidence/v1" {
		return nil, unreadable("not evidence")
	}
	if e.first, err = decode(o["first"]); err != nil {
		return nil, err
	}
	if e.second, err = decode(o["second"]); err != nil {
		return nil, err
	}
	_, connected := o["connection"]
	if e.kind != "two-trees" && (e.kind != "two-batches" || connected) {
		return nil, unreadable("an unknown kind of evidence")
	}
	if !connected {
		return e, nil
	}
	connection, err := inner(o, "connection")
	if err != nil {
		return nil, err
	}
	if err := members(connection, []string{"path", "root"}); err != nil {
		return nil, err
	}
	root, err := parseHash(text(connection, "root"))
	if err != nil {
		return nil, err
	}
	e.root = &root
	e.path, err = hashes(connection, "path")
	return e, err
}

// checkEvidence checks that a member signed two things of which one is false, by any key that it ever had.
func (s *state) checkEvidence(file []byte) (*evidence, error) {
	e, err := parseEvidence(file)
	if err != nil {
		return nil, err
	}
	var batchKeys, checkpointKeys []*key
	for i := range s.versions {
		if m := s.versions[i].find(e.member); m != nil {
			batchKeys = append(batchKeys, m.batch)
			checkpointKeys = append(checkpointKeys, m.origin, m.cosigner)
		}
	}
	if batchKeys == nil {
		return nil, fmt.Errorf("evidence: about no member")
	}
	keys := checkpointKeys
	if e.kind == "two-batches" {
		keys = batchKeys
		err = e.checkBatches(s.origin)
	} else {
		err = e.checkTrees(s.origin)
	}
	if err != nil {
		return nil, err
	}
	for _, side := range [][]byte{e.first, e.second} {
		if _, _, err := openNote(side, keys...); err != nil {
			return nil, fmt.Errorf("evidence: a side that the member did not sign: %w", err)
		}
	}
	return e, nil
}

func (e *evidence) checkBatches(origin string) error {
	var texts, places [2]string
	for i, side := range [][]byte{e.first, e.second} {
		h, err := parseHeader(side, "concordat/batch/v1", batchLines)
		if err != nil {
			return err
		}
		if _, _, err := checkBatchHeader(h); err != nil {
			return err
		}
		if h["log"] != origin || h["member"] != e.member {
			return fmt.Errorf("evidence: a batch of another log or member")
		}
		texts[i], _, _ = parseNote(side)
		places[i] = h["writer"] + " " + h["batch"]
	}
	if places[0] != places[1] || texts[0] == texts[1] {
		return fmt.Errorf("evidence: two batches that may both be")
	}
	return nil
}

func (e *evidence) checkTrees(origin string) error {
	var trees [2]tlog.Tree
	for i, side := range [][]byte{e.first, e.second} {
		body, _, err := parseNote(side)
		if err != nil {
			return err
		}
		of, tree, _, err := parseTree(body)
		if err != nil {
			return err
		}
		if of != origin {
			return fmt.Errorf("evidence: a tree of another log")
		}
		trees[i] = tree
	}
	there := trees[1].Hash
	if e.root != nil {
		there = *e.root
		if err := tlog.CheckTree(e.path, trees[1].N, trees[1].Hash, trees[0].N, there); err != nil {
			return fmt.Errorf("evidence: a connection that proves nothing: %w", err)
		}
	} else if trees[0].N != trees[1].N {
		return fmt.Errorf("evidence: nothing connects two trees of different sizes")
	}
	if trees[0].Hash == there {
		return fmt.Errorf("evidence: two trees that may both be")
	}
	return nil
}
