package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// batchCase is one line of input: base64 of the files that `receipt` is given, and the text of a policy.
type batchCase struct {
	Receipt []byte  `json:"receipt"`
	Genesis []byte  `json:"genesis"`
	History []byte  `json:"history"`
	Policy  *string `json:"policy"`
}

// verifyBatch checks many receipts in one process: for each line of JSON one line with what it proves, or that it does not hold.
func verifyBatch(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	answers := bufio.NewWriter(out)
	defer answers.Flush()
	for lines.Scan() {
		var c batchCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return unreadable("batch: " + err.Error())
		}
		found, err := c.verify()
		if err != nil {
			fmt.Fprintf(answers, "refused: %v\n", err)
			continue
		}
		fmt.Fprintf(answers, "%s %d %d %s %s\n", found.origin, found.size, found.index, encode(found.event), found.author)
	}
	return lines.Err()
}

func (c *batchCase) verify() (found *facts, err error) {
	var s *state
	var p *policy
	if c.Genesis != nil {
		if s, err = parseGenesis(c.Genesis); err != nil {
			return nil, err
		}
		if c.History != nil {
			if err := s.follow(c.History); err != nil {
				return nil, err
			}
		}
	}
	if c.Policy != nil {
		if p, err = parsePolicy([]byte(*c.Policy)); err != nil {
			return nil, err
		}
	}
	if s == nil && p == nil {
		return nil, unreadable("a genesis or a policy is needed")
	}
	return verifyReceipt(c.Receipt, s, p)
}
