package migrate_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/migrate"
)

// TestGivenTags takes over a storage whose tags are in a database elsewhere: it names some that
// were deleted there, and not one of those that are there.
func TestGivenTags(t *testing.T) {
	t.Parallel()
	tr := tree{t: t, dir: t.TempDir()}
	a, b := distributiontest.NewImage(t, 1, 500), distributiontest.NewImage(t, 2, 500)
	tr.image("team/app", a, "deleted")
	tr.image("team/app", b)
	tr.image("team/bare", a)
	nowhere := digest.FromString("nowhere")
	list := fmt.Sprintf("team/app\tv1\t%s\nteam/app\tlatest\t%[2]s\n\nteam/app\tv2\t%[2]s\nteam/app\tlost\t%[3]s\nteam/gone\tv1\t%[1]s\n",
		a.Manifest.Descriptor.Digest, b.Manifest.Descriptor.Digest, nowhere)
	tags, err := migrate.ReadTags(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	ctx, r := newRegistry(t, memstore.New(nil))
	for run := range 2 {
		from, err := folderOf(tr)
		if err != nil {
			t.Fatal(err)
		}
		var problems []string
		report, err := migrate.Run(ctx, migrate.Config{From: from, To: r, Tags: tags, Problem: func(err error) {
			problems = append(problems, err.Error())
		}})
		_ = from.Close()
		if err != nil || report.Total.Tags != 4 || report.Total.Manifests != 3 || len(report.Repositories) != 3 {
			t.Errorf("run %d: %+v, %v", run, report, err)
		}
		slices.Sort(problems)
		if len(problems) != 2 || !strings.Contains(problems[0], "tags lost name "+nowhere.String()) ||
			!strings.Contains(problems[1], "team/gone has tags, and is not in the storage") {
			t.Errorf("run %d: %q", run, problems)
		}
	}
	if names, _, err := r.Tags(ctx, "team/app", distribution.Page{N: 10}); err != nil || !slices.Equal(names, []string{"latest", "v1", "v2"}) {
		t.Errorf("tags: %q, %v", names, err)
	}
	if m, err := r.GetTag(ctx, "team/app", "latest"); err != nil || m.Descriptor.Digest != b.Manifest.Descriptor.Digest {
		t.Errorf("latest: %v, %v", m.Descriptor, err)
	}
	if _, err := r.GetManifest(ctx, "team/bare", a.Manifest.Descriptor.Digest); err != nil {
		t.Errorf("what has no tag: %v", err)
	}
}

func TestReadTags(t *testing.T) {
	t.Parallel()
	dgst := digest.FromString("x").String()
	for text, want := range map[string]string{
		"":                         "no line",
		"team/app\tv1\n":           "line 1",
		"team/app v1 " + dgst:      "line 1",
		"team/app\tv1\tsha256:abc": "line 1",
		"Team/App\tv1\t" + dgst:    `"Team/App"`,
		"\nteam/app\t-x\t" + dgst:  `line 2 of the tags: "-x" is no tag`,
		"team/app\tv1\t" + dgst + "\nteam/app\tv1\t" + digest.FromString("y").String(): "team/app:v1 names " + dgst + " above",
	} {
		if _, err := migrate.ReadTags(strings.NewReader(text)); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
