package s3store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cove/errdefs"
)

// Abort implements content.Ingester.
func (s *Store) Abort(ctx context.Context, id string) error {
	if _, err := s.abort(ctx, stateKey(id)); err != nil {
		return fmt.Errorf("write %q: %w", id, err)
	}
	return nil
}

func (s *Store) abort(ctx context.Context, key string) (freed int64, err error) {
	unlock, err := s.open.TryLock(key)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrUnavailable, "another writer has it open")
	}
	defer unlock()
	claim, err := s.states.Claim(ctx, key)
	if err != nil {
		return 0, err
	}
	defer claim.Release()
	if claim.State() == nil {
		return 0, errdefs.Errorf(errdefs.ErrNotFound, "it was never begun, or is finished")
	}
	st, err := decodeState(key, claim.State())
	if err != nil && !errors.Is(err, errdefs.ErrCorrupt) {
		return 0, err
	}
	return st.Offset, s.forget(ctx, claim, st)
}

// forget removes what a write has in the bucket, and then its state.
func (s *Store) forget(ctx context.Context, claim Claim, st state) error {
	if st.Upload != "" {
		if err := s.bucket.Abort(ctx, st.upload()); err != nil {
			return err
		}
	}
	var keys []string
	if st.Blob == "" && (st.Upload != "" || st.Whole) {
		keys = append(keys, st.data())
	}
	for _, t := range st.Tails {
		keys = append(keys, st.tail(t.Name))
	}
	if len(keys) > 0 {
		if err := s.bucket.Delete(ctx, keys...); err != nil {
			return err
		}
	}
	return claim.Drop(ctx)
}

// Expire implements content.Janitor. After the writes whose state is old goes what
// no state leads to: a kill left it between its making and the saving.
func (s *Store) Expire(ctx context.Context, before time.Time) (freed int64, err error) {
	living := map[string]bool{}
	for saved, err := range s.states.All(ctx) {
		if err != nil {
			return freed, err
		}
		if saved.At.Before(before) {
			n, err := s.abort(ctx, saved.Key)
			freed += n
			switch {
			case err == nil, errors.Is(err, errdefs.ErrNotFound): // somebody else ended it
				continue
			case !errors.Is(err, errdefs.ErrUnavailable):
				return freed, fmt.Errorf("expiring write %q: %w", saved.Key, err)
			}
		}
		if st, err := decodeState(saved.Key, saved.State); err == nil {
			living[st.Dir], living[st.Upload] = true, true
		}
	}
	n, err := s.expireOrphans(ctx, before, living)
	return freed + n, err
}

func (s *Store) expireOrphans(ctx context.Context, before time.Time, living map[string]bool) (freed int64, err error) {
	isLiving := func(key string) bool {
		dir, _, _ := strings.Cut(strings.TrimPrefix(key, writesDir), "/")
		return living[dir]
	}
	for _, prefix := range []string{writesDir, blobsDir} { // of blobs also copies that a kill cut off
		for u, err := range s.bucket.Uploads(ctx, prefix) {
			if err != nil {
				return freed, err
			}
			if !u.Begun.Before(before) || living[u.ID] || isLiving(u.Key) {
				continue
			}
			if err := s.bucket.Abort(ctx, u); err != nil {
				return freed, err
			}
		}
	}
	var old []string
	for o, err := range s.bucket.List(ctx, writesDir) {
		if err != nil {
			return freed, err
		}
		if o.ModTime.Before(before) && !isLiving(o.Key) {
			old = append(old, o.Key)
			freed += o.Size
		}
	}
	if len(old) == 0 {
		return freed, nil
	}
	return freed, s.bucket.Delete(ctx, old...)
}
