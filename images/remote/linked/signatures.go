package linked

import (
	"cmp"
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/images/remote"
	"cove/images/trust"
)

func (r repository) Signatures(
	ctx context.Context, of []digest.Digest, keys []string,
) ([]remote.Signature, bool, error) {
	found, more, err := trust.Report(ctx, r.Repository, of, keys)
	all := make([]remote.Signature, 0, len(found))
	for _, s := range found {
		all = append(all, remote.Signature{
			Form: string(s.Form), Of: s.Of, Manifest: s.Manifest, Signer: cmp.Or(s.Signer.Subject, s.Signer.KeyID),
			At: moment(s.Signer.At), Key: s.Key, Until: moment(s.Until), Reason: string(s.Failure.Reason),
			Detail: s.Failure.Detail,
		})
	}
	return all, more, err
}

func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
