package store

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/store/change"
)

// TestChangesAreTold hears of pushes and deletes, each within its transaction: who
// hears of one can refuse it.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, time.Now)
		var told []change.Change
		var refuse error
		r, err := New(t.Context(), Config{
			Store: memstore.New(time.Now), DB: db, Rights: allowAll{},
			Tell: func(_ context.Context, _ *metadata.Tx, c change.Change) error {
				told = append(told, c)
				return refuse
			},
		}, true)
		if err != nil {
			t.Fatal(err)
		}
		ctx := admin(t.Context())
		body := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`)
		dgst := digest.FromBytes(body)
		m := distribution.Manifest{
			Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: dgst, Size: int64(len(body))}, Body: body,
		}
		refuse = errdefs.Errorf(errdefs.ErrDenied, "not today")
		if _, err := r.PutManifest(ctx, "team/app", m, "v1"); !errors.Is(err, refuse) {
			t.Errorf("a push that is refused: %v", err)
		}
		if _, err := r.StatTag(ctx, "team/app", "v1"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("what was refused is there: %v", err)
		}
		refuse, told = nil, nil
		if _, err := r.PutManifest(ctx, "team/app", m, "v1", "v2"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.PutManifest(ctx, "team/app", m); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteTag(ctx, "team/app", "v2"); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteTag(ctx, "team/app", "v2"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("a tag that is gone: %v", err)
		}
		if err := r.DeleteManifest(ctx, "team/app", dgst); err != nil {
			t.Fatal(err)
		}
		want := []change.Change{
			{Repository: "team/app", Digest: dgst, Tags: []string{"v1", "v2"}, Actor: "admin"},
			{Repository: "team/app", Digest: dgst, Actor: "admin"},
			{Deleted: true, Repository: "team/app", Digest: dgst, Tags: []string{"v2"}, Actor: "admin"},
			{Deleted: true, Repository: "team/app", Digest: dgst, Tags: []string{"v1"}, Actor: "admin"},
		}
		if !reflect.DeepEqual(told, want) {
			t.Errorf("told %+v\nwant %+v", told, want)
		}
	})
}
