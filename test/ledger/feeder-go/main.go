// Feeds the checkpoint of one log to one witness, with parts by others alone: Tessera's client reads checkpoint and tiles and builds the
// consistency proof, the witness project's client speaks C2SP tlog-witness. What a member serves and answers must satisfy both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/tessera/client"
	witnesshttp "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

var (
	logURL     = flag.String("log", "", "where the log's checkpoint and tiles are")
	origin     = flag.String("origin", "", "the log's origin")
	logKey     = flag.String("log-key", "", "verifier key of the log")
	witnessURL = flag.String("witness", "", "where add-checkpoint is")
	witnessKey = flag.String("witness-key", "", "verifier key of the witness")
	from       = flag.Uint64("from", 0, "size that the witness is believed to have")
)

func main() {
	flag.Parse()
	if err := feed(context.Background()); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func feed(ctx context.Context) error {
	base, err := url.Parse(*logURL + "/")
	if err != nil {
		return err
	}
	source, err := client.NewHTTPFetcher(base, nil)
	if err != nil {
		return err
	}
	logVerifier, err := f_note.NewVerifier(*logKey)
	if err != nil {
		return err
	}
	witnessVerifier, err := f_note.NewVerifierForCosignatureV1(*witnessKey)
	if err != nil {
		return err
	}
	checkpoint, signed, _, err := client.FetchCheckpoint(ctx, source.ReadCheckpoint, logVerifier, *origin)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	base, err = url.Parse(*witnessURL)
	if err != nil {
		return err
	}
	target := witnesshttp.NewWitness(base, http.DefaultClient)
	old := *from
	for attempt := 0; ; attempt++ {
		var proof [][]byte
		if old > 0 && old < checkpoint.Size {
			builder, err := client.NewProofBuilder(ctx, checkpoint.Size, source.ReadTile)
			if err != nil {
				return err
			}
			if proof, err = builder.ConsistencyProof(ctx, old, checkpoint.Size); err != nil {
				return fmt.Errorf("proof: %w", err)
			}
		}
		answer, known, err := target.Update(ctx, old, signed, proof)
		if errors.Is(err, witness.ErrCheckpointStale) && attempt == 0 {
			fmt.Println("stale:", known)
			old = known
			continue
		}
		if err != nil {
			return fmt.Errorf("update: %w", err)
		}
		text, _, _ := strings.Cut(string(signed), "\n\n")
		if _, err := note.Open([]byte(text+"\n\n"+string(answer)), note.VerifierList(witnessVerifier)); err != nil {
			return fmt.Errorf("cosignature: %w", err)
		}
		fmt.Println("cosigned:", checkpoint.Size)
		return nil
	}
}
