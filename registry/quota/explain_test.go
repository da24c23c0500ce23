package quota_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/quota"
)

// content describes a text as a blob, and as a manifest of so many bytes.
func content(text string) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(text), Size: int64(len(text))}
}

// push records a manifest under a tag, if it has one, that needs blobs and lists others.
func push(ctx context.Context, tx *metadata.Tx, repo, tag string, m metadata.Manifest) error {
	id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
	for _, d := range m.Blobs {
		if err == nil {
			err = errors.Join(tx.AddBytes(ctx, d.Digest, d.Size), tx.AddBlob(ctx, id, d.Digest, tx.Now()))
		}
	}
	if err == nil {
		err = errors.Join(tx.AddBytes(ctx, m.Descriptor.Digest, m.Descriptor.Size), tx.AddManifest(ctx, id, m, ""))
	}
	if err == nil && tag != "" {
		err = tx.SetTag(ctx, id, tag, m.Descriptor.Digest, "")
	}
	return err
}

func manifest(name string, blobs ...string) metadata.Manifest {
	m := metadata.Manifest{Descriptor: content(name)}
	for _, b := range blobs {
		m.Blobs = append(m.Blobs, content(b))
	}
	return m
}

// TestExplain tells what is alone and what is shared, in a registry where layers are
// shared by images, repositories and projects.
func TestExplain(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db, by := open(t, time.Now), auth.Operator()
		index := manifest("the index") // 9 bytes
		index.Children = []ocispec.Descriptor{content("amd64"), content("arm64")}
		err := db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			return errors.Join(
				push(ctx, tx, "team/app", "", manifest("amd64", "base", "amd64 layer")), // 5, 4, 11
				push(ctx, tx, "team/app", "arm", manifest("arm64", "base", "arm64's layer")),
				push(ctx, tx, "team/app", "all", index),
				push(ctx, tx, "team/tool", "v1", manifest("tool", "base", "of project")), // 4, 4, 10
				push(ctx, tx, "team/copy", "v1", manifest("copy", "of project")),         // 4, 10
				push(ctx, tx, "other/app", "v1", manifest("o", "base")),                  // 1, 4
			)
		})
		if err != nil {
			t.Fatal(err)
		}
		q := quota.New(db, auth.Judge{})
		for ref, want := range map[string]quota.Share{
			"team":      {Held: 5 + 5 + 9 + 4 + 4 + 4 + 11 + 13 + 10, Alone: 61, Counted: 65},
			"other":     {Held: 5, Alone: 1, Counted: 5},
			"team/app":  {Held: 9 + 5 + 5 + 4 + 11 + 13, Alone: 43, Counted: 43},
			"team/tool": {Held: 18, Alone: 4, Counted: 4},
			"other/app": {Held: 5, Alone: 1, Counted: 5},
			// the index takes the image with it that has no tag
			"team/app:all": {Held: 9 + 5 + 4 + 11, Alone: 25, Counted: 25},
			"team/app:arm": {Held: 5 + 4 + 13, Alone: 18, Counted: 18},
			"team/app@" + string(content("amd64").Digest): {Held: 5 + 4 + 11, Alone: 16, Counted: 16},
		} {
			if got, err := q.Explain(t.Context(), by, ref); err != nil || got != want {
				t.Errorf("%s: %+v %v, want %+v", ref, got, err, want)
			}
		}
		for ref, kind := range map[string]error{
			"absent": errdefs.ErrNotFound, "team/absent": errdefs.ErrNotFound, "team/app:v9": errdefs.ErrNotFound,
			"team/app@sha256:x": errdefs.ErrInvalid, "team/app@" + string(digest.FromString("x")): errdefs.ErrNotFound,
		} {
			if _, err := q.Explain(t.Context(), by, ref); !errors.Is(err, kind) {
				t.Errorf("%s: %v", ref, err)
			}
		}
		all, err := q.Repositories(t.Context(), by, "team", 2)
		if err != nil || len(all) != 2 || all[0].Repository != "team/app" || all[0].Held != 47 || all[1].Repository != "team/tool" {
			t.Errorf("the largest: %+v %v", all, err)
		}
		if _, err := q.Explain(t.Context(), auth.Caller{}, "team/app"); !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("for nobody: %v", err)
		}
	})
}
