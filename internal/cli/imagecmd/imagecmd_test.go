package imagecmd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"cove/engine/dockertypes/lists"
	engineimages "cove/engine/images"
	"cove/engine/listing"
	"cove/images/image"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/reference"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func ref(t *testing.T, s string) reference.Reference {
	t.Helper()
	r, err := reference.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestImageTable(t *testing.T) {
	t.Parallel()
	known := digest.FromString("manifest")
	redis := image.Image{
		ID: digest.FromString("redis"), Created: noon.Add(-50 * time.Hour),
		Names:   []reference.Reference{ref(t, "redis"), ref(t, "harbor.example.com:85/team/redis:v1")},
		Digests: []reference.Reference{ref(t, "redis").WithDigest(known)},
	}
	byDigest := image.Image{ID: digest.FromString("byDigest"), Digests: redis.Digests, Created: noon}
	dangling := image.Image{ID: digest.FromString("dangling")}
	var rows []row
	for _, img := range []image.Image{redis, byDigest, dangling} {
		for _, r := range listing.OfImage(img) {
			r.Size = 12_345_678
			rows = append(rows, r)
		}
	}
	for _, tc := range []struct {
		name    string
		digests bool
		o       output.Options
		want    string
	}{
		{"table", false, output.Options{}, `REPOSITORY                      TAG       IMAGE ID       CREATED                  SIZE
redis                           latest    ` + hex(redis.ID) + `   2 days ago               12.3MB
harbor.example.com:85/team/redis   v1        ` + hex(redis.ID) + `   2 days ago               12.3MB
redis                           <none>    ` + hex(byDigest.ID) + `   Less than a second ago   12.3MB
<none>                          <none>    ` + hex(dangling.ID) + `   N/A                      12.3MB
`},
		{"template", false, output.Options{Format: "{{.Repository}}:{{.Tag}}@{{.Digest}}"}, "redis:latest@" + known.String() + `
harbor.example.com:85/team/redis:v1@<none>
redis:<none>@` + known.String() + `
<none>:<none>@<none>
`},
	} {
		var b bytes.Buffer
		if err := writeImages(&b, tc.o, rows, tc.digests, lists.Options{Now: noon}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(squeeze(tc.want), squeeze(b.String())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func hex(d digest.Digest) string { return d.Encoded()[:12] }

// squeeze makes the width of columns not matter here; package output tests it.
func squeeze(s string) string {
	for bytes.Contains([]byte(s), []byte("  ")) {
		s = string(bytes.ReplaceAll([]byte(s), []byte("  "), []byte(" ")))
	}
	return s
}

func TestHistoryTable(t *testing.T) {
	t.Parallel()
	made := noon.Add(-time.Hour)
	id := digest.FromString("x")
	entries := []engineimages.Step{
		{ID: id, Created: made, CreatedBy: "CMD [\"redis-server\"]", Comment: "note"},
		{Created: made, CreatedBy: "RUN /bin/sh -c apt-get update &&\tapt-get install -y redis-server", Size: 1234},
		{},
	}
	var b bytes.Buffer
	if err := writeHistory(&b, output.Options{}, entries, true, lists.Options{Now: noon}); err != nil {
		t.Fatal(err)
	}
	want := `IMAGE CREATED CREATED BY SIZE COMMENT
` + hex(id) + ` About an hour ago CMD ["redis-server"] 0B note
<missing> About an hour ago RUN /bin/sh -c apt-get update && apt-get ins… 1.23kB
<missing> N/A 0B
`
	if diff := cmp.Diff(want, squeeze(trimLines(b.String()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func trimLines(s string) string {
	var out []byte
	for _, line := range bytes.Split([]byte(s), []byte("\n")) {
		out = append(append(out, bytes.TrimRight(line, " ")...), '\n')
	}
	return string(out[:len(out)-1])
}

func TestListNamesWhatIsBroken(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	warnBroken(&app.App{Err: &out}, []row{
		{Repository: "app", Tag: "v1"},
		{Repository: "app", Tag: "v2", Image: image.Image{Broken: errors.New("blob sha256:ab is not here")}},
	})
	if got := out.String(); !strings.Contains(got, "image app:v2 cannot be read: blob sha256:ab is not here; pull") || strings.Contains(got, "v1") {
		t.Errorf("got %q", got)
	}
}
