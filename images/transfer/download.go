package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/client"
)

const (
	chunkSize = 256 << 10
	chunks    = 12 // how far a download may run ahead of its reader
)

// download is a blob on its way: network → store (and its hash) in one
// goroutine, the reader that unpacks it in another, a few chunks apart. It says
// io.EOF only after the blob was committed, so a reader that got to the end has
// read bytes with the right digest.
type download struct {
	full, free chan []byte
	cancel     context.CancelFunc
	done       chan struct{}
	err        error // set before done is closed

	current, rest []byte
}

// startDownload goes on with the write w, from the network at its offset, and
// replays what it already holds. It closes w.
func startDownload(ctx context.Context, repo *client.Repository, w content.Writer, desc ocispec.Descriptor, progress Progress) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	d := &download{
		full:   make(chan []byte, chunks),
		free:   make(chan []byte, chunks),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	for range chunks {
		d.free <- make([]byte, chunkSize)
	}
	go func() {
		defer close(d.done)
		defer close(d.full)
		err := d.pump(ctx, repo, w, desc, progress)
		d.err = errors.Join(err, w.Close())
	}()
	return d
}

func (d *download) pump(ctx context.Context, repo *client.Repository, w content.Writer, desc ocispec.Descriptor, progress Progress) error {
	if err := d.replay(ctx, w); err != nil {
		return err
	}
	progress.Tell(Event{Kind: Downloading, Desc: desc, Offset: w.Offset()})
	body, err := repo.OpenBlob(ctx, desc, w.Offset(), func(e client.Event) {
		if e.Kind == client.Retrying {
			progress.Tell(Event{Kind: Retrying, Desc: desc, Offset: e.Offset, Err: e.Err, Wait: e.Wait})
		}
	})
	if err != nil {
		return err
	}
	defer body.Close()
	told := &teller{r: body, n: w.Offset(), told: w.Offset(), tell: func(n int64) {
		progress.Tell(Event{Kind: Downloading, Desc: desc, Offset: n})
	}}
	err = d.copy(ctx, told, func(b []byte) error {
		_, err := w.Write(b)
		return err
	})
	if err == nil {
		err = w.Commit(ctx, desc)
	}
	if err != nil {
		return fmt.Errorf("layer %s: %w", desc.Digest, err)
	}
	progress.Tell(Event{Kind: Downloaded, Desc: desc, Offset: desc.Size})
	return nil
}

// replay hands on what an earlier, cut download left in the store.
func (d *download) replay(ctx context.Context, w content.Writer) error {
	if w.Offset() == 0 {
		return nil
	}
	written, ok := w.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("resuming a download: the store cannot read back a %T", w)
	}
	return d.copy(ctx, io.NewSectionReader(written, 0, w.Offset()), func([]byte) error { return nil })
}

// copy passes r on in chunks, each after keep has stored it.
func (d *download) copy(ctx context.Context, r io.Reader, keep func([]byte) error) error {
	for {
		var buf []byte
		select {
		case buf = <-d.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		n, err := r.Read(buf[:chunkSize])
		if kept := keep(buf[:n]); kept != nil {
			return kept
		}
		d.full <- buf[:n] // never blocks: there are only so many chunks
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *download) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.current != nil {
			d.free <- d.current
			d.current = nil
		}
		chunk, ok := <-d.full
		if !ok {
			<-d.done
			if d.err != nil {
				return 0, d.err
			}
			return 0, io.EOF
		}
		d.current, d.rest = chunk, chunk
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// Close stops the download if it is still going on; what came is kept for the
// next.
func (d *download) Close() error {
	d.cancel()
	<-d.done
	return nil
}
