package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
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
	body, signatures, err := unverified(header)
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
	if len(signatures) != 1 || !strings.HasPrefix(signatures[0], "— "+values["member"]+" ") {
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

// parseCheckpoint reads the text of a checkpoint.
func parseCheckpoint(body string) (string, tlog.Tree, error) {
	lines := strings.Split(body, "\n")
	if len(lines) != 4 || lines[0] == "" || lines[3] != "" {
		return "", tlog.Tree{}, unreadable("not a checkpoint of three lines")
	}
	size, err := parseDecimal(lines[1])
	if err != nil {
		return "", tlog.Tree{}, err
	}
	root, err := parseHash(lines[2])
	return lines[0], tlog.Tree{N: size, Hash: root}, err
}

// checkFinal checks that a signed checkpoint is final under the membership for its size (format section 9).
func (s *state) checkFinal(signed []byte) (tlog.Tree, error) {
	body, _, err := unverified(signed)
	if err != nil {
		return tlog.Tree{}, err
	}
	origin, tree, err := parseCheckpoint(body)
	if err != nil {
		return tlog.Tree{}, err
	}
	if origin != s.origin {
		return tlog.Tree{}, fmt.Errorf("checkpoint of another log")
	}
	v := s.atSize(tree.N)
	p := policy{groups: []group{{"g", v.quorum(), nil}}, quorum: "g"}
	for _, m := range v.active() {
		p.logs = append(p.logs, m.origin)
		p.witnesses = append(p.witnesses, witness{m.name, m.cosigner})
		p.groups[0].members = append(p.groups[0].members, m.name)
	}
	return tree, p.check(signed, origin)
}

// receipt is a tlog-proof with its parts decoded.
type receipt struct {
	event, header, history, checkpoint []byte
	position, index                    int64
	eventPath, path                    []tlog.Hash
}

func parseReceipt(file []byte) (*receipt, error) {
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
	o, err := parseCanonical(extra)
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
	names := []string{"log", "member", "writer", "batch", "prev", "first", "count", "root", "bytes", "body"}
	h, err := parseHeader(r.header, "concordat/batch/v1", names)
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
	body, _, err := unverified(r.checkpoint)
	if err != nil {
		return nil, err
	}
	origin, tree, err := parseCheckpoint(body)
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
		if author, err = s.author(r, h["member"]); err != nil {
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
	_, lines, err := unverified(signed)
	if err != nil {
		return true
	}
	for _, line := range lines {
		items := strings.SplitN(strings.TrimPrefix(line, "— "), " ", 2)
		blob, err := base64.StdEncoding.DecodeString(items[len(items)-1])
		if len(items) != 2 || err != nil || len(blob) < 5 {
			return true
		}
		id := binary.BigEndian.Uint32(blob)
		half, whole := false, false
		for _, k := range keys {
			whole = whole || (k.name == items[0] && k.hash == id)
			half = half || k.name == items[0] || k.hash == id
		}
		if half && !whole {
			return true
		}
	}
	return false
}

func (s *state) author(r *receipt, name string) (string, error) {
	if r.history != nil && len(s.versions) == 1 {
		if err := s.follow(r.history); err != nil {
			return "", err
		}
	}
	tree, err := s.checkFinal(r.checkpoint)
	if err != nil {
		return "", err
	}
	var keys []*key
	for _, m := range s.atSize(tree.N).active() {
		keys = append(keys, m.origin, m.cosigner)
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
)

// checkEvent checks the form of an event (format section 3).
func checkEvent(event []byte) error {
	o, err := parseCanonical(event)
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
	if len(event) > 2048 || !slices.Contains(kinds, kind) || !algorithms.MatchString(text(o, "alg")) ||
		!isBytes(text(o, "id"), 16) || !isBytes(text(o, "commit"), 32) || (hasPeer && !isBytes(text(o, "peer"), 16)) {
		return unreadable("not an event of version 1")
	}
	return nil
}

func isBytes(s string, length int) bool {
	data, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(data) == length && !strings.ContainsAny(s, "\r\n")
}
