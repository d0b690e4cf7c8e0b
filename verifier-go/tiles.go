package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const tileWidth = 256

// tilePath is C2SP tlog-tiles' path of a tile; level is a number or "entries", width 256 for a full one.
func tilePath(level string, index int64, width int) string {
	s := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		s = fmt.Sprintf("x%03d/%s", index%1000, s)
	}
	if width != tileWidth {
		s = fmt.Sprintf("%s.p/%d", s, width)
	}
	return filepath.Join("tile", level, filepath.FromSlash(s))
}

// verifyTiles reads a log as a member serves it: every entry, every tile, and the root that the checkpoint names.
func verifyTiles(folder string, s *state) error {
	signed, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return unreadable(err.Error())
	}
	tree, err := s.checkFinal(signed)
	if err != nil {
		return err
	}
	leaves, err := readEntries(folder, tree.N)
	if err != nil {
		return err
	}
	stored := map[int64]tlog.Hash{}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = stored[index]
		}
		return out, nil
	})
	for n, leaf := range leaves {
		made, err := tlog.StoredHashesForRecordHash(int64(n), leaf, reader)
		if err != nil {
			return err
		}
		for i, hash := range made {
			stored[tlog.StoredHashIndex(0, int64(n))+int64(i)] = hash
		}
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return fmt.Errorf("the entries have another root than the checkpoint")
	}
	tiles := 0
	for level, nodes := 0, tree.N; nodes > 0; level, nodes = level+1, nodes/tileWidth {
		for index := int64(0); index*tileWidth < nodes; index++ {
			width := int(min(tileWidth, nodes-index*tileWidth))
			path := tilePath(fmt.Sprint(level), index, width)
			tile, err := os.ReadFile(filepath.Join(folder, path))
			if err != nil {
				return unreadable(err.Error())
			}
			var want bytes.Buffer
			for i := range int64(width) {
				hash := stored[tlog.StoredHashIndex(8*level, index*tileWidth+i)]
				want.Write(hash[:])
			}
			if !bytes.Equal(tile, want.Bytes()) {
				return fmt.Errorf("%s is not what the entries give", path)
			}
			tiles++
		}
	}
	fmt.Printf("ok\norigin: %s\nsize: %d\nroot: %s\ntiles: %d\n", s.origin, tree.N, tree.Hash, tiles)
	return nil
}

func readEntries(folder string, size int64) ([]tlog.Hash, error) {
	var leaves []tlog.Hash
	for index := int64(0); index*tileWidth < size; index++ {
		width := int(min(tileWidth, size-index*tileWidth))
		path := tilePath("entries", index, width)
		bundle, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			return nil, unreadable(err.Error())
		}
		found := 0
		for ; len(bundle) >= 2; found++ {
			length := int(binary.BigEndian.Uint16(bundle))
			if len(bundle) < 2+length {
				break
			}
			entry := string(bundle[2 : 2+length])
			if !strings.HasPrefix(entry, "concordat/leaf/v1\n") && !strings.HasPrefix(entry, "concordat/void/v1\n") {
				return nil, fmt.Errorf("%s holds an entry that is no leaf", path)
			}
			leaves = append(leaves, tlog.RecordHash(bundle[2:2+length]))
			bundle = bundle[2+length:]
		}
		if found != width || len(bundle) != 0 {
			return nil, fmt.Errorf("%s is not a bundle of %d entries", path, width)
		}
	}
	return leaves, nil
}
