package copy

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/reference"
)

// Local is a repository of a registry in this process: a Source and a Target.
// Whatever wraps the registry, as package distribution/filter does, holds for
// copies too; who copies is in their context, as the registry wants it. Registry is
// comparable, as a pointer is: that two ends are one registry is seen by it.
type Local struct {
	Registry distribution.Registry
	Repo     string
}

var (
	_ Source  = (*Local)(nil)
	_ Target  = (*Local)(nil)
	_ Mounter = (*Local)(nil)
)

// Resolve is Source's.
func (l *Local) Resolve(ctx context.Context, ref string) (distribution.Manifest, error) {
	if dgst, err := reference.ParseDigest(ref); err == nil {
		return l.Registry.GetManifest(ctx, l.Repo, dgst)
	}
	return l.Registry.GetTag(ctx, l.Repo, ref)
}

// Referrers is Source's.
func (l *Local) Referrers(ctx context.Context, subject digest.Digest) (all []ocispec.Descriptor, err error) {
	q := distribution.ReferrersQuery{Subject: subject}
	for {
		descs, more, err := l.Registry.Referrers(ctx, l.Repo, q)
		if err != nil {
			return nil, err
		}
		all = append(all, descs...)
		if !more || len(descs) == 0 || len(all) > maxManifests {
			return all, nil
		}
		q.Last = descs[len(descs)-1].Digest.String()
	}
}

// Open is content.Provider's.
func (l *Local) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	return l.Registry.OpenBlob(ctx, l.Repo, desc.Digest)
}

// Neighbour is Mounter's.
func (l *Local) Neighbour(src Source) (repo string, ok bool) {
	from, ok := src.(*Local)
	if !ok || from.Registry != l.Registry {
		return "", false
	}
	return from.Repo, true
}

// PushBlob is Target's.
func (l *Local) PushBlob(ctx context.Context, b Blob) error {
	have, err := l.Registry.StatBlob(ctx, l.Repo, b.Digest)
	switch {
	case err == nil && have.Size == b.Size:
		b.Progress.Tell(progress.Event{Kind: progress.AlreadyExists, Desc: b.Descriptor, Offset: b.Size})
		return nil
	case err != nil && !errors.Is(err, errdefs.ErrNotFound):
		return err
	}
	for _, from := range b.MountFrom {
		if from == l.Repo {
			continue
		}
		have, err := l.Registry.MountBlob(ctx, l.Repo, from, b.Digest)
		switch {
		case err == nil && have.Size == b.Size:
			b.Progress.Tell(progress.Event{Kind: progress.Mounted, Desc: b.Descriptor, Offset: b.Size, From: from})
			return nil
		case err != nil && !errors.Is(err, errdefs.ErrNotFound):
			return err
		}
	}
	return l.upload(ctx, b)
}

// upload moves the bytes. What fails is canceled, unless it was only interrupted and
// Uploads knows it: nothing else would.
func (l *Local) upload(ctx context.Context, b Blob) (err error) {
	up, err := l.start(ctx, b)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && (b.Uploads == nil || ctx.Err() == nil) {
			// A commit that fails may have forgotten it already.
			if cerr := up.Cancel(context.WithoutCancel(ctx)); !errors.Is(cerr, errdefs.ErrNotFound) {
				err = errors.Join(err, cerr)
			}
		}
		err = errors.Join(err, up.Close())
	}()
	if err := move(ctx, up, b, up.Offset()); err != nil {
		return err
	}
	if _, err := up.Commit(ctx, b.Digest); err != nil {
		return err
	}
	b.Progress.Tell(progress.Event{Kind: progress.Pushed, Desc: b.Descriptor, Offset: b.Size})
	if b.Uploads == nil {
		return nil
	}
	return b.Uploads.KeepUpload(ctx, l.Repo, b.Digest, "")
}

// start opens an upload, or the one that an earlier process has left.
func (l *Local) start(ctx context.Context, b Blob) (distribution.Upload, error) {
	if b.Uploads == nil {
		return l.Registry.StartUpload(ctx, l.Repo)
	}
	id, err := b.Uploads.Upload(ctx, l.Repo, b.Digest)
	if err != nil {
		return nil, err
	}
	if id != "" {
		up, err := l.Registry.ResumeUpload(ctx, l.Repo, id)
		if err == nil && up.Offset() <= b.Size {
			return up, nil
		}
		if err == nil {
			err = errors.Join(up.Cancel(ctx), up.Close())
		}
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			return nil, err
		}
	}
	up, err := l.Registry.StartUpload(ctx, l.Repo)
	if err != nil {
		return nil, err
	}
	if err := b.Uploads.KeepUpload(ctx, l.Repo, b.Digest, up.ID()); err != nil {
		return nil, errors.Join(err, up.Cancel(ctx), up.Close())
	}
	return up, nil
}

// PushManifest is Target's.
func (l *Local) PushManifest(ctx context.Context, m distribution.Manifest, tag string) error {
	var tags []string
	if tag != "" {
		tags = []string{tag}
	}
	_, err := l.Registry.PutManifest(ctx, l.Repo, m, tags...)
	return err
}

// move writes a blob from an offset on, and tells how far it is.
func move(ctx context.Context, w io.Writer, b Blob, offset int64) error {
	b.Progress.Tell(progress.Event{Kind: progress.Pushing, Desc: b.Descriptor, Offset: offset})
	if offset >= b.Size {
		return nil
	}
	rd, err := b.Content.Open(ctx, b.Descriptor)
	if err != nil {
		return err
	}
	defer rd.Close()
	from := &telling{ctx: ctx, r: io.NewSectionReader(rd, offset, b.Size-offset), b: b, at: offset}
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, from, buf[:]) // without a ReadFrom that brings its own buffer
	return err
}
