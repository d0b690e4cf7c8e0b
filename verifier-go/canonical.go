package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// object is a JSON object as format section 1 allows it: values are string, json.Number, bool, []any or object.
type object = map[string]any

// Bytes that a file may have (the table before format section 1), and how many of a thing there may be.
const (
	maximumEvent         = 2048
	maximumNote          = 1 << 20
	maximumLines         = 100
	maximumGenesis       = 256 << 10
	maximumPolicy        = 256 << 10
	maximumEvidence      = 256 << 10
	maximumGovernance    = 512 << 10
	maximumEpoch         = 1 << 20
	maximumHistory       = 1 << 24
	maximumReceipt       = 1 << 25
	maximumName          = 255
	maximumChains        = 4096
	maximumGraceLeaves   = 10_000_000
	maximumOpenProposals = 16
)

// parseCanonical reads JSON that must be exactly the canonical form of what it says (format section 1).
func parseCanonical(text []byte, most int) (object, error) {
	if len(text) > most {
		return nil, unreadable("JSON is too large")
	}
	if !utf8.Valid(text) {
		return nil, unreadable("JSON is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, unreadable("not JSON")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, unreadable("something follows the JSON")
	}
	canonical, err := canonicalise(value, 0)
	if err != nil {
		return nil, err
	}
	if canonical != string(text) {
		return nil, unreadable("JSON is not canonical")
	}
	parsed, ok := value.(object)
	if !ok {
		return nil, unreadable("JSON is not an object")
	}
	return parsed, nil
}

func canonicalise(value any, depth int) (string, error) {
	switch v := value.(type) {
	case string:
		return canonicalString(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil || n > 1<<53-1 || n < -(1<<53-1) {
			return "", unreadable("a number out of the domain")
		}
		return strconv.FormatInt(n, 10), nil
	case []any:
		if depth >= 16 {
			return "", unreadable("nested too deep")
		}
		items := make([]string, len(v))
		for i, item := range v {
			text, err := canonicalise(item, depth+1)
			if err != nil {
				return "", err
			}
			items[i] = text
		}
		return "[" + strings.Join(items, ",") + "]", nil
	case object:
		if depth >= 16 {
			return "", unreadable("nested too deep")
		}
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b string) int {
			return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		})
		members := make([]string, len(names))
		for i, name := range names {
			text, err := canonicalise(v[name], depth+1)
			if err != nil {
				return "", err
			}
			members[i] = canonicalString(name) + ":" + text
		}
		return "{" + strings.Join(members, ",") + "}", nil
	default:
		return "", unreadable("a value out of the domain")
	}
}

func canonicalString(text string) string {
	short := map[rune]string{'\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`, '"': `\"`, '\\': `\\`}
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		if escape, ok := short[r]; ok {
			out.WriteString(escape)
		} else if r < 0x20 {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// members checks that an object has the required members and nothing beyond those and the optional ones.
func members(o object, required []string, optional ...string) error {
	for _, name := range required {
		if _, ok := o[name]; !ok {
			return unreadable("member missing: " + name)
		}
	}
	for name := range o {
		if !slices.Contains(required, name) && !slices.Contains(optional, name) {
			return unreadable("an unknown member")
		}
	}
	return nil
}

// The four readers below give a zero value for a member of another type; callers check what a zero value cannot be.

func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

func count(o object, name string) (int64, error) {
	n, ok := o[name].(json.Number)
	if !ok {
		return 0, unreadable(name + " is not a number")
	}
	value, err := n.Int64()
	if err != nil || value < 0 {
		return 0, unreadable(name + " is out of range")
	}
	return value, nil
}

func inner(o object, name string) (object, error) {
	v, ok := o[name].(object)
	if !ok {
		return nil, unreadable(name + " is not an object")
	}
	return v, nil
}

func list(o object, name string) ([]any, error) {
	v, ok := o[name].([]any)
	if !ok {
		return nil, unreadable(name + " is not an array")
	}
	return v, nil
}

// decode is strict base64: padding, no trailing bits, no line breaks.
func decode(value any) ([]byte, error) {
	s, ok := value.(string)
	if !ok || strings.ContainsAny(s, "\r\n") {
		return nil, unreadable("not base64")
	}
	data, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, unreadable("not base64")
	}
	return data, nil
}
