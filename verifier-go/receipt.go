package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// leafHash is the leaf hash of a well-framed record (format section 7).
func leafHash(header []byte) tlog.Hash {
	digest := sha256.Sum256(header)
	return tlog.RecordHash([]byte("concordat/leaf/v1\n" + encode(digest[:]) + "\n"))
}

// parseHeader reads the lines of a header; its signature is not checked here, but that there is exactly one, by the member that is named, is.
func parseHeader(header []byte, title string, names []string) (map[string]string, error) {
	body, signatures, err := parseNote(header)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if lines[0] != title || len(lines) != len(names)+1 {
		return nil, unreadable("not a header of " + title)
	}
	values := map[string]string{}
	for i, name := range names {
		value, ok := strings.CutPrefix(lines[i+1], name+" ")
		if !ok {
			return nil, unreadable("no line " + name)
		}
		values[name] = value
	}
	if len(signatures) != 1 || signatures[0].name != values["member"] {
		return nil, unreadable("a header has one signature, by its member")
	}
	return values, nil
}

func parseDecimal(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<53-1 || strconv.FormatInt(n, 10) != s {
		return 0, unreadable("not a number")
	}
	return n, nil
}

func parseHash(s string) (tlog.Hash, error) {
	var hash tlog.Hash
	data, err := decode(s)
	if err != nil || len(data) != len(hash) {
		return hash, unreadable("not a hash")
	}
	copy(hash[:], data)
	return hash, nil
}

func hashes(o object, name string) ([]tlog.Hash, error) {
	items, err := list(o, name)
	if err != nil {
		return nil, err
	}
	out := make([]tlog.Hash, len(items))
	for i, item := range items {
		s, _ := item.(string)
		if out[i], err = parseHash(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// parseTree reads the text of a checkpoint, and says whether it has lines beyond the third.
func parseTree(body string) (origin string, tree tlog.Tree, extended bool, err error) {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if len(lines) < 3 || !validOrigin(lines[0]) || slices.Contains(lines[3:], "") {
		return "", tree, false, unreadable("not a checkpoint")
	}
	if tree.N, err = parseDecimal(lines[1]); err != nil {
		return "", tree, false, err
	}
	tree.Hash, err = parseHash(lines[2])
	return lines[0], tree, len(lines) > 3, err
}

// parseCheckpoint reads a signed checkpoint of this log: three lines and no more (format section 9).
func parseCheckpoint(signed []byte) (string, tlog.Tree, error) {
	body, _, err := parseNote(signed)
	if err != nil {
		return "", tlog.Tree{}, err
	}
	origin, tree, extended, err := parseTree(body)
	if err == nil && extended {
		err = unreadable("a checkpoint with a line too many")
	}
	return origin, tree, err
}

// checkFinal checks that a signed checkpoint is final under the membership for its size (format section 9).
func (s *state) checkFinal(signed []byte) (tlog.Tree, error) {
	origin, tree, err := parseCheckpoint(signed)
	if err != nil {
		return tlog.Tree{}, err
	}
	if origin != s.origin {
		return tlog.Tree{}, fmt.Errorf("checkpoint of another log")
	}
	return tree, s.policyAt(tree.N).check(signed, origin)
}

// policyAt is whose signatures make a checkpoint of a size final.
func (s *state) policyAt(size int64) *policy {
	v := s.atSize(size)
	p := &policy{groups: []group{{"g", v.quorum(), nil}}, quorum: "g"}
	for _, m := range v.active() {
		p.logs = append(p.logs, m.origin)
		p.witnesses = append(p.witnesses, witness{m.name, m.cosigner})
		p.groups[0].members = append(p.groups[0].members, m.name)
	}
	return p
}

// receipt is a tlog-proof with its parts decoded.
type receipt struct {
	event, header, history, checkpoint []byte
	position, index                    int64
	eventPath, path                    []tlog.Hash
}

func parseReceipt(file []byte) (*receipt, error) {
	if len(file) > maximumReceipt {
		return nil, unreadable("the receipt is too large")
	}
	head, checkpoint, ok := bytes.Cut(file, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return nil, unreadable("not a receipt")
	}
	encoded, ok := strings.CutPrefix(lines[1], "extra ")
	extra, err := decode(encoded)
	if !ok || err != nil {
		return nil, unreadable("no extra line")
	}
	o, err := parseCanonical(extra, maximumReceipt)
	if err != nil {
		return nil, err
	}
	if err := members(o, []string{"event", "header", "path", "position"}, "history"); err != nil {
		return nil, err
	}
	r := &receipt{checkpoint: checkpoint}
	if r.event, err = decode(o["event"]); err != nil {
		return nil, err
	}
	if r.header, err = decode(o["header"]); err != nil {
		return nil, err
	}
	if o["history"] != nil {
		if r.history, err = decode(o["history"]); err != nil {
			return nil, err
		}
	}
	if r.eventPath, err = hashes(o, "path"); err != nil {
		return nil, err
	}
	if r.position, err = count(o, "position"); err != nil {
		return nil, err
	}
	index, ok := strings.CutPrefix(lines[2], "index ")
	if r.index, err = parseDecimal(index); !ok || err != nil {
		return nil, unreadable("no index line")
	}
	for _, line := range lines[3:] {
		hash, err := parseHash(line)
		if err != nil {
			return nil, err
		}
		r.path = append(r.path, hash)
	}
	return r, nil
}

// facts is what a receipt proves.
type facts struct {
	origin, author string
	size, index    int64
	event          []byte
}

func (f *facts) String() string {
	return fmt.Sprintf("ok\norigin: %s\nsize: %d\nindex: %d\nevent: %s\nauthor: %s", f.origin, f.size, f.index, f.event, f.author)
}

// verifyReceipt checks a receipt as format section 10 says.
func verifyReceipt(file []byte, s *state, p *policy) (*facts, error) {
	r, err := parseReceipt(file)
	if err != nil {
		return nil, err
	}
	if err := checkEvent(r.event); err != nil {
		return nil, err
	}
	h, err := parseHeader(r.header, "concordat/batch/v1", batchLines)
	if err != nil {
		return nil, err
	}
	size, root, err := checkBatchHeader(h)
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckRecord(r.eventPath, size, root, r.position, tlog.RecordHash(r.event)); err != nil {
		return nil, fmt.Errorf("event in batch: %w", err)
	}
	origin, tree, err := parseCheckpoint(r.checkpoint)
	if err != nil {
		return nil, err
	}
	if h["log"] != origin {
		return nil, fmt.Errorf("a batch of another log")
	}
	if err := tlog.CheckRecord(r.path, tree.N, tree.Hash, r.index, leafHash(r.header)); err != nil {
		return nil, fmt.Errorf("batch in tree: %w", err)
	}
	if p != nil {
		if err := p.check(r.checkpoint, origin); err != nil {
			return nil, err
		}
	}
	author := "not checked"
	if s != nil {
		if author, err = s.author(r, h["member"], p); err != nil {
			return nil, err
		}
	}
	return &facts{origin, author, tree.N, r.index, r.event}, nil
}

// checkBatchHeader checks the values of a batch's header (format section 5), and gives its count and root.
func checkBatchHeader(h map[string]string) (int64, tlog.Hash, error) {
	var none tlog.Hash
	numbers := []struct {
		name        string
		least, most int64
	}{{"batch", 1, 1<<53 - 1}, {"first", 0, 1<<53 - 1 - 256}, {"count", 1, 256}, {"bytes", 1, 256 * 2050}}
	for _, n := range numbers {
		if value, err := parseDecimal(h[n.name]); err != nil || value < n.least || value > n.most {
			return 0, none, unreadable("a batch's " + n.name + " is out of range")
		}
	}
	for _, name := range []string{"prev", "body"} {
		if _, err := parseHash(h[name]); err != nil {
			return 0, none, err
		}
	}
	if !memberName.MatchString(h["member"]) || !memberName.MatchString(h["writer"]) {
		return 0, none, unreadable("a bad name of a member or writer")
	}
	count, err := parseDecimal(h["count"])
	if err != nil {
		return 0, none, err
	}
	root, err := parseHash(h["root"])
	return count, root, err
}

// damagedLine finds a line that names a known key and carries the ID of another, or the reverse (format section 10).
func damagedLine(signed []byte, keys []*key) bool {
	_, lines, err := parseNote(signed)
	if err != nil {
		return true
	}
	for _, l := range lines {
		half, whole := false, false
		for _, k := range keys {
			whole = whole || (k.name == l.name && k.hash == l.hash)
			half = half || k.name == l.name || k.hash == l.hash
		}
		if half && !whole {
			return true
		}
	}
	return false
}

// author checks who signed a receipt's batch; a history that was given beside the receipt is followed instead of its own.
func (s *state) author(r *receipt, name string, given *policy) (string, error) {
	if r.history != nil && !s.followed {
		if err := s.follow(r.history); err != nil {
			return "", err
		}
	}
	tree, err := s.checkFinal(r.checkpoint)
	if err != nil {
		return "", err
	}
	keys := s.policyAt(tree.N).keys()
	if given != nil {
		keys = append(keys, given.keys()...)
	}
	if damagedLine(r.checkpoint, keys) {
		return "", fmt.Errorf("a line of the checkpoint names one key and carries the ID of another")
	}
	m := s.atLeaf(r.index).find(name)
	if m == nil || !m.active {
		return "", fmt.Errorf("the batch is by no active member")
	}
	if _, _, err := openNote(r.header, m.keysAt(r.index)...); err != nil {
		return "", fmt.Errorf("author: %w", err)
	}
	return name, nil
}

var (
	kinds      = strings.Fields("received disclosed rejected denied transformed acknowledged corrected superseded retracted erased checked")
	algorithms = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,15}$`)
	memberName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	hexDigest  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	batchLines = strings.Fields("log member writer batch prev first count root bytes body")
)

// checkEvent checks the form of an event (format section 3).
func checkEvent(event []byte) error {
	o, err := parseCanonical(event, maximumEvent)
	if err != nil {
		return err
	}
	required := []string{"alg", "commit", "id", "kind", "rules", "v"}
	kind := text(o, "kind")
	if kind != "erased" {
		required = append(required, "links")
		links, err := list(o, "links")
		if err != nil {
			return err
		}
		for _, link := range links {
			if s, _ := link.(string); !isBytes(s, 16) {
				return unreadable("a bad link")
			}
		}
	}
	if err := members(o, required, "peer"); err != nil {
		return err
	}
	v, err := count(o, "v")
	if _, errRules := count(o, "rules"); err != nil || v != 1 || errRules != nil {
		return unreadable("a bad version or rule set")
	}
	_, hasPeer := o["peer"]
	if !slices.Contains(kinds, kind) || !algorithms.MatchString(text(o, "alg")) ||
		!isBytes(text(o, "id"), 16) || !isBytes(text(o, "commit"), 32) || (hasPeer && !isBytes(text(o, "peer"), 16)) {
		return unreadable("not an event of version 1")
	}
	return nil
}

func isBytes(s string, length int) bool {
	data, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(data) == length && !strings.ContainsAny(s, "\r\n")
}
