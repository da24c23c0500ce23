package s3store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/content/s3store/objects"
	"cove/errdefs"
)

const (
	// checkpointEvery bounds what a kill takes from a write.
	checkpointEvery = 64 << 20
	// partsAtOnce is how many parts of one write are on their way.
	partsAtOnce = 3
	// maxTails is how many small objects a write leaves before they are made one.
	maxTails = 64
)

// partOf is the size of a write's part. Parts grow, so that 10,000 of them, which
// is all that S3 takes, are enough for a blob of more than 1 TiB.
func (s *Store) partOf(number int) int64 { return s.partSize << (number / 2048) }

// Begin implements content.Ingester.
func (s *Store) Begin(ctx context.Context, id string) (content.Writer, error) {
	// Known here already, it need not be asked for.
	key := stateKey(id)
	unlock, err := s.open.TryLock(key)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "write %q: another writer has it open", id)
	}
	claim, err := s.states.Claim(ctx, key)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("write %q: %w", id, err)
	}
	w := &writer{s: s, id: id, claim: claim, unlock: unlock, hash: sha256.New(), buf: spool{dir: s.spool}}
	if err := w.resume(); err != nil {
		w.release()
		return nil, err
	}
	w.expect(content.Expected(ctx))
	return w, nil
}

// expect has the parts of a write that has none yet become a blob by themselves. Of a
// digest of another algorithm than the one that follows the bytes it is known too late
// whether they are its.
func (w *writer) expect(dgst digest.Digest) {
	if w.st.Upload != "" {
		return
	}
	w.st.Blob = "" // who went on before may have expected another
	if key, err := blobKey(dgst); err == nil && dgst.Algorithm() == digest.SHA256 {
		w.st.Blob = key
	}
}

// writer is a content.Writer. Its bytes are, in their order, in the parts of st, in
// those on their way, in the tails of st, and in buf.
type writer struct {
	s      *Store
	id     string
	claim  Claim
	unlock func()

	hash   hash.Hash // sha256 of [0, offset)
	offset int64
	st     state // as it would be saved, but for Offset and Hash
	saved  state // as it was saved
	buf    spool

	sending sending
	broken  error // why nothing can be added any more
	done    bool
}

func (w *writer) resume() (err error) {
	if w.st, err = decodeState(w.id, w.claim.State()); err != nil {
		return err
	}
	w.saved = w.st
	w.offset = w.st.Offset
	if w.offset > 0 {
		if err := w.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(w.st.Hash); err != nil {
			return errdefs.Errorf(errdefs.ErrCorrupt, "write %q: its hash cannot be read: %w", w.id, err)
		}
	}
	if w.st.Dir == "" {
		w.st.Dir = rand.Text()
	}
	return nil
}

func (w *writer) release() {
	w.done = true
	w.claim.Release()
	w.unlock()
}

// Offset implements content.Writer.
func (w *writer) Offset() int64 { return w.offset }

// Digest implements content.Writer.
func (w *writer) Digest() digest.Digest { return digest.NewDigest(digest.SHA256, w.hash) }

func (w *writer) usable() error {
	switch {
	case w.broken != nil:
		return w.broken
	case w.done:
		return errdefs.Errorf(errdefs.ErrConflict, "write %q: is closed", w.id)
	}
	return nil
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	if w.st.Whole {
		return 0, errdefs.Errorf(errdefs.ErrConflict, "write %q: is complete; commit it, or abort it", w.id)
	}
	total := 0
	for len(p) > 0 {
		size := w.s.partOf(len(w.st.Parts) + w.sending.count())
		room := size - w.st.tailed() - w.buf.size
		n, err := w.buf.Write(p[:min(int64(len(p)), room)])
		w.hash.Write(p[:n])
		w.offset += int64(n)
		total += n
		p = p[n:]
		if err == nil && int64(n) == room {
			err = w.cut(context.Background()) // an io.Writer has no context to hand on
		}
		if err != nil {
			w.broken = w.named(err)
			return total, w.broken
		}
	}
	return total, nil
}

func (w *writer) named(err error) error {
	if err == nil {
		return nil
	}
	return &errdefs.Error{Object: fmt.Sprintf("write %q", w.id), Kind: errdefs.KindOf(err), Err: err}
}

// cut sends what there is as the next part, while more comes.
func (w *writer) cut(ctx context.Context) error {
	if err := w.gather(ctx); err != nil {
		return err
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	full := w.buf
	w.buf = spool{dir: w.s.spool}
	upload, number := w.st.upload(), len(w.st.Parts)+w.sending.count()+1
	err := w.sending.send(func() (string, error) {
		defer full.Close()
		return w.s.bucket.SendPart(ctx, upload, number, full.reader(), full.size)
	})
	if err == nil && w.offset-w.saved.Offset >= checkpointEvery {
		err = w.save(ctx)
	}
	return err
}

// begin starts the multipart upload, and saves that it was: so it is found again.
func (w *writer) begin(ctx context.Context) error {
	if w.st.Upload != "" {
		return nil
	}
	u, err := w.s.bucket.BeginUpload(ctx, w.st.data())
	if err != nil {
		return err
	}
	w.st.Upload = u.ID
	early := w.saved
	early.Dir, early.Upload, early.Blob = w.st.Dir, w.st.Upload, w.st.Blob
	return w.store(ctx, early)
}

// gather has all bytes that have no part yet in buf.
func (w *writer) gather(ctx context.Context) error {
	if len(w.st.Tails) == 0 {
		return nil
	}
	all := spool{dir: w.s.spool}
	for _, t := range w.st.Tails {
		if err := w.s.fetch(ctx, w.st.tail(t.Name), t.Size, &all); err != nil {
			return errors.Join(err, all.Close())
		}
	}
	if err := copySpool(&all, &w.buf); err != nil {
		return errors.Join(err, all.Close())
	}
	_ = w.buf.Close() // its bytes are in all
	w.buf, w.st.Tails = all, nil
	return nil
}

// waitForParts waits for the parts on their way.
func (w *writer) waitForParts() error {
	sent, err := w.sending.wait()
	if err != nil {
		return err
	}
	w.st.Parts = append(w.st.Parts, sent...)
	return nil
}

// save makes everything up to offset durable, and that it is so.
func (w *writer) save(ctx context.Context) error {
	if err := w.waitForParts(); err != nil {
		return err
	}
	if len(w.st.Tails) >= maxTails {
		if err := w.gather(ctx); err != nil {
			return err
		}
	}
	if w.buf.size > 0 {
		t := tail{Name: "tail-" + rand.Text(), Size: w.buf.size}
		if err := w.s.bucket.PutFrom(ctx, w.st.tail(t.Name), w.buf.reader(), t.Size); err != nil {
			return err
		}
		w.st.Tails = append(slices.Clip(w.st.Tails), t)
		if err := w.buf.Close(); err != nil {
			return spoolError(err)
		}
	}
	next := w.st
	next.Offset = w.offset
	var err error
	if next.Hash, err = w.hash.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return err
	}
	before := w.saved
	if err := w.store(ctx, next); err != nil {
		return err
	}
	w.dropTails(ctx, before)
	return nil
}

// dropTails removes the tails that a state named and the newest does not.
func (w *writer) dropTails(ctx context.Context, before state) {
	var old []string
	for _, t := range before.Tails {
		if !slices.Contains(w.saved.Tails, t) {
			old = append(old, before.tail(t.Name))
		}
	}
	if len(old) > 0 {
		_ = w.s.bucket.Delete(ctx, old...) // else they go with the write
	}
}

func (w *writer) store(ctx context.Context, st state) error {
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	if err := w.claim.Save(ctx, b); err != nil {
		return err
	}
	w.saved = st
	return nil
}

// Close implements content.Writer: the write stays for a later Begin.
func (w *writer) Close() error {
	if w.done {
		return nil
	}
	ctx := context.Background() // an io.Closer has no context to hand on
	var err error
	switch {
	case errors.Is(w.broken, objects.ErrLost):
		err = w.s.forget(ctx, w.claim, w.leftover())
	case w.broken == nil && (w.offset != w.saved.Offset || w.st.Whole != w.saved.Whole):
		err = w.save(ctx)
	}
	_, lost := w.sending.wait()
	if w.broken != nil {
		lost = nil // known already
	}
	err = errors.Join(err, lost, w.buf.Close())
	w.release()
	return w.named(err)
}

// sending are parts on their way, in their order.
type sending struct {
	wg    sync.WaitGroup
	slots chan struct{}

	mu   sync.Mutex
	sent []string
	err  error
}

func (s *sending) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// send runs do beside others, and tells whether one before it has failed.
func (s *sending) send(do func() (string, error)) error {
	if s.slots == nil {
		s.slots = make(chan struct{}, partsAtOnce)
	}
	s.slots <- struct{}{}
	s.mu.Lock()
	i, failed := len(s.sent), s.err
	s.sent = append(s.sent, "")
	s.mu.Unlock()
	s.wg.Go(func() {
		p, err := do()
		s.mu.Lock()
		if s.sent[i] = p; err != nil && s.err == nil {
			s.err = err
		}
		s.mu.Unlock()
		<-s.slots
	})
	return failed
}

// wait returns what was sent since the last wait.
func (s *sending) wait() ([]string, error) {
	s.wg.Wait()
	sent := s.sent
	s.sent = nil
	return sent, s.err
}
