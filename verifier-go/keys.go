package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

const (
	plainKey    = 0x01
	cosignerKey = 0x04
)

// key is a verifier key of either type (format section 2); it is a note.Verifier.
type key struct {
	name   string
	hash   uint32
	kind   byte
	public ed25519.PublicKey
	text   string
}

func (k *key) Name() string    { return k.name }
func (k *key) KeyHash() uint32 { return k.hash }

// Verify checks a note signature, or a timestamped cosignature: 8 bytes of time, then 64 of Ed25519.
func (k *key) Verify(message, signature []byte) bool {
	if k.kind == plainKey {
		return verifyPinned(k.public, message, signature)
	}
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(signature)
	if seconds > 1<<53-1 {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", seconds, message)
	return verifyPinned(k.public, []byte(signed), signature[8:])
}

// verifyPinned refuses low-order and non-canonical points; S < L is checked by crypto/ed25519.
func verifyPinned(public ed25519.PublicKey, message, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && acceptable(public) && acceptable(signature[:32]) &&
		ed25519.Verify(public, message, signature)
}

var lowOrderY = [][]byte{
	{},
	{1},
	unhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
	unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
	unhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
}

func acceptable(encoded []byte) bool {
	if len(encoded) != 32 {
		return false
	}
	y := bytes.Clone(encoded)
	y[31] &= 0x7f
	for _, low := range lowOrderY {
		if bytes.Equal(y, append(bytes.Clone(low), make([]byte, 32-len(low))...)) {
			return false
		}
	}
	// y >= 2^255 - 19 exactly when all bytes but the lowest are those of 2^255 - 1 and the lowest is at least 0xed.
	return !(y[31] == 0x7f && y[0] >= 0xed && bytes.Count(y[1:31], []byte{0xff}) == 30)
}

func unhex(s string) []byte {
	out := make([]byte, len(s)/2)
	for i := range out {
		b, _ := strconv.ParseUint(s[2*i:2*i+2], 16, 8)
		out[i] = byte(b)
	}
	return out
}

// parseKey reads a vkey that must have this name and type; an empty name allows any.
func parseKey(vkey, name string, kind byte) (*key, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, unreadable("not a verifier key")
	}
	material, err := decode(parts[2])
	if err != nil {
		return nil, err
	}
	if len(material) != 33 || material[0] != kind || !acceptable(material[1:]) {
		return nil, unreadable("not an admissible key of this type")
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), material...))
	hash := binary.BigEndian.Uint32(digest[:])
	if fmt.Sprintf("%08x", hash) != parts[1] || !validKeyName(parts[0]) || (name != "" && parts[0] != name) {
		return nil, unreadable("a key has the wrong name or hash")
	}
	return &key{parts[0], hash, kind, material[1:], vkey}, nil
}

// openNote returns a note's text and the keys that signed it.
func openNote(signed []byte, keys ...*key) (string, []*key, error) {
	// The note package takes base64 with trailing bits and names of any length; the format does not.
	if _, _, err := parseNote(signed); err != nil {
		return "", nil, err
	}
	// One key may stand here twice, such as one that a member went back to; the note package would call it ambiguous.
	known := map[string]*key{}
	var verifiers []note.Verifier
	for _, k := range keys {
		if id := fmt.Sprintf("%s %08x", k.name, k.hash); known[id] == nil {
			known[id] = k
			verifiers = append(verifiers, k)
		} else if known[id].text != k.text {
			return "", nil, fmt.Errorf("two keys with one name and ID")
		}
	}
	opened, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return "", nil, fmt.Errorf("note: %w", err)
	}
	var by []*key
	for _, signature := range opened.Sigs {
		by = append(by, known[fmt.Sprintf("%s %08x", signature.Name, signature.Hash)])
	}
	return opened.Text, by, nil
}

// line is a signature line of a note.
type line struct {
	name string
	hash uint32
}

// parseNote splits a note without believing it: its text and its signature lines, each of its form.
func parseNote(signed []byte) (string, []line, error) {
	i := bytes.LastIndex(signed, []byte("\n\n"))
	if len(signed) > maximumNote || !utf8.Valid(signed) || i < 0 || !bytes.HasSuffix(signed, []byte("\n")) {
		return "", nil, unreadable("not a signed note")
	}
	if bytes.IndexFunc(signed, func(r rune) bool { return r < 0x20 && r != '\n' }) >= 0 {
		return "", nil, unreadable("a control character in a note")
	}
	var lines []line
	for _, each := range strings.Split(strings.TrimSuffix(string(signed[i+2:]), "\n"), "\n") {
		rest, isLine := strings.CutPrefix(each, "— ")
		name, encoded, both := strings.Cut(rest, " ")
		blob, err := decode(encoded)
		if !isLine || !both || err != nil || len(blob) < 5 || !validKeyName(name) {
			return "", nil, unreadable("not a signature line")
		}
		lines = append(lines, line{name, binary.BigEndian.Uint32(blob)})
	}
	if len(lines) > maximumLines {
		return "", nil, unreadable("too many signature lines")
	}
	return string(signed[:i+1]), lines, nil
}

// validKeyName is a key name of C2SP signed-note, of at most 255 bytes.
func validKeyName(name string) bool {
	return name != "" && len(name) <= maximumName && utf8.ValidString(name) && !strings.Contains(name, "+") &&
		strings.IndexFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r < 0x20 }) < 0
}

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
