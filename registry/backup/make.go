package backup

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cove/content"
	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/db/dump"
	"cove/registry/hold"
	"cove/registry/metadata"
)

// Source is an open registry, whether or not it serves meanwhile.
type Source struct {
	Root  *os.Root
	DSN   string
	DB    *metadata.DB
	Bytes content.Provider
	// Spool is a folder for the copy of the database until it is where it goes.
	Spool string
}

// Make writes a backup. It holds nobody up; only the collector waits with bytes
// until it has ended. damaged is told of contents that the registry should have and
// could not give.
func Make(ctx context.Context, s Source, to Target, damaged func(digest.Digest, error)) (done Summary, err error) {
	staging, err := os.MkdirTemp(s.Spool, ".backup-")
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	err = hold.During(ctx, s.DB, func(ctx context.Context) error {
		done, err = snapshot(ctx, s, filepath.Join(staging, databaseName), to, damaged)
		return err
	})
	return done, err
}

func snapshot(
	ctx context.Context, s Source, file string, to Target, damaged func(digest.Digest, error),
) (done Summary, err error) {
	done = Summary{Format: formatVersion, Made: time.Now().UTC().Truncate(time.Second)}
	if err := dump.Write(ctx, metadata.Config{DSN: s.DSN}.Connection(), file); err != nil {
		return done, err
	}
	if err := tidy(ctx, file, &done); err != nil {
		return done, err
	}
	if err := to.Database(file); err != nil {
		return done, err
	}
	small, err := FilesOf(s.Root)
	if err != nil {
		return done, err
	}
	if err := to.Files(small); err != nil {
		return done, err
	}
	then, err := metadata.Open(ctx, metadata.Config{DSN: file})
	if err != nil {
		return done, err
	}
	defer closeBoth(&err, then)
	c := &copying{source: s, to: to, damaged: damaged, done: &done}
	if err := c.all(ctx, then); err != nil {
		return done, err
	}
	slices.Sort(done.Missing)
	return done, to.Finish(ctx, done, func(dgst digest.Digest) (bool, error) { return then.Owned(ctx, dgst) })
}

// tidy leaves a copy that is one file, and says of it what the summary needs.
func tidy(ctx context.Context, file string, s *Summary) (err error) {
	schema, err := metadata.OpenSchema(file)
	if err != nil {
		return err
	}
	s.Schema, err = schema.Current(ctx)
	if err = errors.Join(err, schema.Close()); err != nil {
		return err
	}
	m, err := metadata.Open(ctx, metadata.Config{DSN: file})
	if err != nil {
		return err
	}
	defer closeBoth(&err, m)
	if s.Registry, err = m.Identity(ctx); err != nil {
		return err
	}
	return forgetPassing(ctx, m)
}

// forgetPassing takes out of a copy what is only true while a server runs: uploads
// whose bytes are elsewhere, sessions, and bytes that are on their way out.
func forgetPassing(ctx context.Context, m *metadata.DB) error {
	return m.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for _, stmt := range []string{
			"DELETE FROM uploads", "DELETE FROM writes", "DELETE FROM servers", "DELETE FROM sessions",
			"DELETE FROM gc_queue WHERE repository_id = 0 AND digest IN (SELECT digest FROM blobs WHERE deleting = 1)",
			"DELETE FROM blobs WHERE deleting = 1",
		} {
			if _, err := tx.Querier().Exec(ctx, stmt); err != nil {
				return db.Unavailable(err)
			}
		}
		return nil
	})
}

type copying struct {
	source  Source
	to      Target
	damaged func(digest.Digest, error)

	mu   sync.Mutex
	done *Summary
}

const pageSize = 512

func (c *copying) all(ctx context.Context, then *metadata.DB) error {
	workers := 2 * runtime.GOMAXPROCS(0)
	if c.to.OnePass() {
		workers = 1
	}
	for last := digest.Digest(""); ; {
		page, err := then.Stored(ctx, last, pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(workers)
		for _, st := range page {
			g.Go(func() error { return c.blob(ctx, ocispec.Descriptor{Digest: st.Digest, Size: st.Size}) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		last = page[len(page)-1].Digest
	}
}

func (c *copying) blob(ctx context.Context, desc ocispec.Descriptor) (err error) {
	if !c.to.Has(ctx, desc) {
		err = c.move(ctx, desc)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.done.Blobs++
		c.done.Bytes += desc.Size
		return nil
	case ctx.Err() == nil && (errors.Is(err, errdefs.ErrCorrupt) || errors.Is(err, errdefs.ErrNotFound)):
		c.done.Missing = append(c.done.Missing, desc.Digest)
		c.damaged(desc.Digest, err)
		return nil
	}
	return err
}

// move reads wrong bytes before it sends any, where they could not be taken back.
func (c *copying) move(ctx context.Context, desc ocispec.Descriptor) (err error) {
	r, err := c.source.Bytes.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer closeBoth(&err, r)
	if c.to.OnePass() {
		if _, err := io.Copy(io.Discard, content.Verify(content.NewReader(r), desc)); err != nil {
			return err
		}
	}
	return c.to.Blob(ctx, desc, content.Verify(content.NewReader(r), desc))
}
