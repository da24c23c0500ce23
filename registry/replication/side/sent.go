package side

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/distribution/progress"
	"cove/errdefs"
)

// cosignTags are the ends of the tags by which cosign ties things to a digest.
var cosignTags = []string{".sig", ".att", ".sbom"}

// SameReferrers says whether the target has what refers to a digest at the source.
func SameReferrers(ctx context.Context, src, dst Repository, dgst digest.Digest) (bool, error) {
	wanted, err := src.Referrers(ctx, dgst)
	if err != nil {
		return false, err
	}
	if len(wanted) > 0 {
		there, err := dst.Referrers(ctx, dgst)
		if err != nil {
			return false, err
		}
		have := map[digest.Digest]bool{}
		for _, d := range there {
			have[d.Digest] = true
		}
		for _, d := range wanted {
			if have[d.Digest] {
				continue
			}
			if _, err := src.Stat(ctx, d.Digest.String()); !errors.Is(err, errdefs.ErrNotFound) {
				return false, err // else it is listed there still, and gone
			}
		}
	}
	for _, end := range cosignTags {
		tag := strings.Replace(dgst.String(), ":", "-", 1) + end
		wanted, err := src.Stat(ctx, tag)
		if errors.Is(err, errdefs.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if at, err := dst.Stat(ctx, tag); err != nil || at.Digest != wanted.Digest {
			return false, nil //nolint:nilerr // the copy meets what is wrong
		}
	}
	return true, nil
}

// Meter counts the bytes that a copy sends, whoever sends them.
type Meter struct {
	tell func(int64)
	mu   sync.Mutex
	at   map[digest.Digest]int64
	sum  int64
}

// NewMeter returns one that tells of what is sent, as it is.
func NewMeter(tell func(int64)) *Meter { return &Meter{tell: tell, at: map[digest.Digest]int64{}} }

// Hear is a progress.Func.
func (m *Meter) Hear(e progress.Event) {
	if e.Kind != progress.Pushing {
		return
	}
	m.mu.Lock()
	last, begun := m.at[e.Desc.Digest]
	m.at[e.Desc.Digest] = e.Offset
	n := e.Offset - last
	if !begun || n < 0 { // what was there before is not sent
		n = 0
	}
	m.sum += n
	m.mu.Unlock()
	if n > 0 {
		m.tell(n)
	}
}

// Bytes is how many there were.
func (m *Meter) Bytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum
}
