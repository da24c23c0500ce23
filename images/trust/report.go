package trust

import (
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/client"
	"cove/distribution/signature"
)

// Seen is one signature, and whether it counts.
type Seen struct {
	signature.Signature
	Of      digest.Digest     // what it lies beside
	Key     string            // the file of the key that made it; "" if it does not count
	Until   time.Time         // to when it counts; zero is without end
	Failure signature.Failure // why it does not count
}

// Report lists the signatures of these digests, the last first; more says that there are
// others that were not looked at.
func Report(
	ctx context.Context, repo *client.Repository, of []digest.Digest, files []string,
) (all []Seen, more bool, err error) {
	keys, err := Keys(files)
	if err != nil {
		return nil, false, err
	}
	for _, dgst := range slices.Backward(of) {
		holders, others, err := signature.Find(ctx, source{repo}, dgst)
		if err != nil {
			return nil, false, err
		}
		more = more || others
		for _, holder := range holders {
			some, err := signature.Read(ctx, source{repo}, holder)
			if err != nil {
				return nil, false, err
			}
			for _, sig := range some {
				one := Seen{Signature: sig, Of: dgst}
				v, err := sig.Verify(dgst, keys, time.Now())
				if err != nil {
					one.Failure = signature.FailureOf(err)
				} else {
					one.Key, one.Until = v.Key.Name, v.Until
				}
				all = append(all, one)
			}
		}
	}
	return all, more, nil
}
