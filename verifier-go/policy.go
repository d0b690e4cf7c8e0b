package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

type witness struct {
	name string
	key  *key
}

type group struct {
	name      string
	threshold int
	members   []string
}

// policy is a C2SP tlog-policy.
type policy struct {
	logs      []*key
	witnesses []witness
	groups    []group
	quorum    string
}

func parsePolicy(file []byte) (*policy, error) {
	isBad := func(b byte) bool { return b == 0x7f || (b < 0x20 && b != '\t' && b != '\n') }
	if len(file) > maximumPolicy || slices.ContainsFunc(file, isBad) {
		return nil, unreadable("policy: too large, or with a control character")
	}
	p := &policy{}
	free, defined := map[string]bool{}, map[string]bool{"none": true}
	define := func(name string) error {
		if defined[name] {
			return unreadable("policy: a name twice")
		}
		defined[name], free[name] = true, true
		return nil
	}
	for _, line := range strings.Split(string(file), "\n") {
		items := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if len(items) == 0 || strings.HasPrefix(items[0], "#") {
			continue
		}
		var err error
		switch {
		case items[0] == "log" && (len(items) == 2 || len(items) == 3):
			var k *key
			if k, err = parseKey(items[1], "", plainKey); err == nil && contains(p.logs, k) {
				err = unreadable("policy: a log twice")
			}
			p.logs = append(p.logs, k)
		case items[0] == "witness" && (len(items) == 3 || len(items) == 4):
			var k *key
			if k, err = parseKey(items[2], "", cosignerKey); err == nil {
				if contains(p.witnessKeys(), k) {
					return nil, unreadable("policy: a witness key twice")
				}
				p.witnesses = append(p.witnesses, witness{items[1], k})
				err = define(items[1])
			}
		case items[0] == "group" && len(items) >= 4:
			err = p.addGroup(items[1:], free)
			if err == nil {
				err = define(items[1])
			}
		case items[0] == "quorum" && len(items) == 2 && p.quorum == "" && defined[items[1]]:
			p.quorum = items[1]
		default:
			err = unreadable("policy: a line that cannot be read")
		}
		if err != nil {
			return nil, err
		}
	}
	if p.quorum == "" {
		return nil, unreadable("policy: no quorum")
	}
	return p, nil
}

func (p *policy) addGroup(items []string, free map[string]bool) error {
	g := group{name: items[0], members: items[2:]}
	switch items[1] {
	case "all":
		g.threshold = len(g.members)
	case "any":
		g.threshold = 1
	default:
		threshold, err := parseDecimal(items[1])
		if err != nil || threshold > int64(len(g.members)) {
			return unreadable("policy: a threshold that is no number")
		}
		g.threshold = int(threshold)
	}
	if g.threshold < 1 || g.threshold > len(g.members) {
		return unreadable("policy: a threshold out of range")
	}
	for _, name := range g.members {
		if !free[name] {
			return unreadable("policy: a group member that is unknown or stands twice")
		}
		delete(free, name)
	}
	p.groups = append(p.groups, g)
	return nil
}

func (p *policy) witnessKeys() []*key {
	var keys []*key
	for _, w := range p.witnesses {
		keys = append(keys, w.key)
	}
	return keys
}

// keys is every key that the policy names.
func (p *policy) keys() []*key { return append(slices.Clone(p.logs), p.witnessKeys()...) }

// contains says whether one of the keys has the same public key, whatever its name.
func contains(keys []*key, wanted *key) bool {
	return slices.ContainsFunc(keys, func(k *key) bool { return bytes.Equal(k.public, wanted.public) })
}

// check verifies a signed checkpoint: any one listed log under the origin's name, and the quorum.
func (p *policy) check(checkpoint []byte, origin string) error {
	_, by, err := openNote(checkpoint, p.keys()...)
	if err != nil {
		return err
	}
	signed := func(wanted *key) bool {
		return slices.ContainsFunc(by, func(k *key) bool { return k.text == wanted.text })
	}
	if !slices.ContainsFunc(p.logs, func(k *key) bool { return k.name == origin && signed(k) }) && len(p.logs) > 0 {
		return fmt.Errorf("no known log signed this checkpoint")
	}
	satisfied := map[string]bool{"none": true}
	for _, w := range p.witnesses {
		satisfied[w.name] = signed(w.key)
	}
	for _, g := range p.groups {
		n := 0
		for _, name := range g.members {
			if satisfied[name] {
				n++
			}
		}
		satisfied[g.name] = n >= g.threshold
	}
	if !satisfied[p.quorum] {
		return fmt.Errorf("no quorum cosigned this checkpoint")
	}
	return nil
}
