// Command verifier checks checkpoints, receipts, consistency proofs and tiles of a Concordat ledger, from its format document alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// unreadable is input that is not of its format: exit code 2, where what is read and does not hold gives 1.
type unreadable string

func (u unreadable) Error() string { return string(u) }

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	var u unreadable
	if errors.As(err, &u) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(args []string) error {
	if len(args) == 0 {
		return unreadable("usage: verifier receipt|checkpoint|consistency|tiles|epoch|evidence --genesis FILE … (see README.md)")
	}
	if args[0] == "batch" {
		return verifyBatch(os.Stdin, os.Stdout)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	genesisFile := flags.String("genesis", "", "the genesis file that is pinned")
	historyFile := flags.String("history", "", "governance history from the genesis on")
	policyFile := flags.String("policy", "", "a tlog-policy file")
	if err := flags.Parse(args[1:]); err != nil {
		return unreadable(err.Error())
	}
	var s *state
	var p *policy
	if *genesisFile != "" {
		file, err := os.ReadFile(*genesisFile)
		if err != nil {
			return unreadable(err.Error())
		}
		if s, err = parseGenesis(file); err != nil {
			return err
		}
	}
	if *historyFile != "" && s != nil {
		file, err := os.ReadFile(*historyFile)
		if err != nil {
			return unreadable(err.Error())
		}
		if err := s.follow(file); err != nil {
			return err
		}
	}
	if *policyFile != "" {
		file, err := os.ReadFile(*policyFile)
		if err != nil {
			return unreadable(err.Error())
		}
		if p, err = parsePolicy(file); err != nil {
			return err
		}
	}
	if s == nil && (args[0] != "receipt" || p == nil) {
		return unreadable("--genesis is needed")
	}
	return command(args[0], flags.Args(), s, p)
}

func command(name string, operands []string, s *state, p *policy) error {
	wanted := map[string]int{"receipt": 1, "checkpoint": 1, "consistency": 3, "tiles": 1, "epoch": 3, "evidence": 1}[name]
	if wanted == 0 || len(operands) != wanted {
		return unreadable("wrong command or number of files")
	}
	if name == "tiles" {
		return verifyTiles(operands[0], s)
	}
	files := make([][]byte, len(operands))
	for i, path := range operands {
		file, err := os.ReadFile(path)
		if err != nil {
			return unreadable(err.Error())
		}
		files[i] = file
	}
	if name == "receipt" {
		found, err := verifyReceipt(files[0], s, p)
		if err == nil {
			fmt.Println(found)
		}
		return err
	}
	if name == "epoch" {
		return verifyEpoch(files[0], files[1], files[2], s)
	}
	if name == "evidence" {
		e, err := s.checkEvidence(files[0])
		if err == nil {
			fmt.Printf("ok\norigin: %s\nmember: %s\nkind: %s\n", s.origin, e.member, e.kind)
		}
		return err
	}
	tree, err := s.checkFinal(files[0])
	if err != nil {
		return err
	}
	if name == "checkpoint" {
		fmt.Printf("ok\norigin: %s\nsize: %d\nroot: %s\n", s.origin, tree.N, tree.Hash)
		return nil
	}
	newer, err := s.checkFinal(files[1])
	if err != nil {
		return err
	}
	var proof tlog.TreeProof
	for _, line := range strings.Fields(string(files[2])) {
		hash, err := parseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	if err := tlog.CheckTree(proof, newer.N, newer.Hash, tree.N, tree.Hash); err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	fmt.Printf("ok\norigin: %s\nfrom: %d\nto: %d\n", s.origin, tree.N, newer.N)
	return nil
}
