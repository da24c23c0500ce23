package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images/remote"
)

const chunkSize = 256 << 10

// download is a blob on its way. One goroutine takes it from the network into
// the store; the reader follows it there, through the page cache. So a reader
// that waits, for a lower layer or another process, never stops the download
// that someone else may be waiting for. The reader says io.EOF only after the
// blob was committed: who got to the end has read bytes with the right digest.
type download struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when the goroutine is gone

	mu      sync.Mutex
	changed *sync.Cond
	bytes   io.ReaderAt // the open write, then the blob
	arrived int64
	done    bool
	err     error
	blob    content.Reader // once committed

	read int64
}

// startDownload goes on with the write w, from the network at its offset, and
// reads it from its beginning. It closes w.
func startDownload(ctx context.Context, s *Source, w content.ReadableWriter, desc ocispec.Descriptor) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	d := &download{cancel: cancel, ended: make(chan struct{}), bytes: w, arrived: w.Offset()}
	d.changed = sync.NewCond(&d.mu)
	go func() {
		defer close(d.ended)
		err := d.fetch(ctx, s.Repo, w, desc, s.Progress)
		var blob content.Reader
		if err == nil {
			blob, err = s.Content.Open(ctx, desc)
		}
		err = errors.Join(err, w.Close())
		d.mu.Lock()
		defer d.mu.Unlock()
		d.done, d.err = true, err
		if blob != nil {
			d.blob, d.bytes = blob, blob
		}
		d.changed.Broadcast()
	}()
	return d
}

func (d *download) fetch(
	ctx context.Context, repo remote.Repository, w content.Writer, desc ocispec.Descriptor, tell progress.Func,
) error {
	tell.Tell(progress.Event{Kind: progress.Downloading, Desc: desc, Offset: w.Offset()})
	body, err := repo.OpenBlob(ctx, desc, w.Offset(), tell.Retries()) // how far it is counts when it is stored
	if err != nil {
		return err
	}
	defer body.Close()
	told := &teller{r: body, n: w.Offset(), told: w.Offset(), tell: func(n int64) {
		tell.Tell(progress.Event{Kind: progress.Downloading, Desc: desc, Offset: n})
	}}
	err = d.store(told, w)
	if err == nil {
		err = w.Commit(ctx, desc)
	}
	if err != nil {
		return fmt.Errorf("layer %s: %w", desc.Digest, err)
	}
	tell.Tell(progress.Event{Kind: progress.Downloaded, Desc: desc, Offset: desc.Size})
	return nil
}

// store writes what comes and lets the reader have it.
func (d *download) store(r io.Reader, w content.Writer) error {
	buf := make([]byte, chunkSize)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			d.mu.Lock()
			d.arrived += int64(n)
			d.changed.Broadcast()
			d.mu.Unlock()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *download) Read(p []byte) (int, error) {
	for {
		from, n, err := d.wait(len(p))
		if err != nil || n == 0 {
			return 0, err
		}
		n, err = from.ReadAt(p[:n], d.read)
		d.read += int64(n)
		switch {
		case n > 0:
			return n, nil
		case errors.Is(err, os.ErrClosed):
			// Committed between the two: the same bytes are in the blob now.
			if err := d.waitForEnd(); err != nil {
				return 0, err
			}
		default:
			return 0, errdefs.Errorf(errdefs.ErrUnavailable, "reading a download back: %w", err)
		}
	}
}

// wait returns where to read next and how much, once there is something; io.EOF
// or the error of the download when there will not be.
func (d *download) wait(want int) (io.ReaderAt, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.read == d.arrived && !d.done {
		d.changed.Wait()
	}
	if d.done && d.err != nil {
		return nil, 0, d.err
	}
	if d.read == d.arrived {
		return nil, 0, io.EOF
	}
	return d.bytes, int(min(int64(want), d.arrived-d.read)), nil
}

// waitForEnd waits until the download has ended.
func (d *download) waitForEnd() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !d.done {
		d.changed.Wait()
	}
	return d.err
}

// Close stops the download if it is still going on; what came is kept for the
// next.
func (d *download) Close() error {
	d.cancel()
	<-d.ended
	if d.blob != nil {
		return d.blob.Close()
	}
	return nil
}
