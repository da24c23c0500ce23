package provenance

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/errdefs"
)

// TestReadsWhatItWrites, in both shapes: what a build was asked for and made of.
func TestReadsWhatItWrites(t *testing.T) {
	t.Parallel()
	b := example()
	b.Local = append(b.Local, "files")
	b.Args["context:other"] = "docker-image://alpine:3"
	b.Args["context:files"] = "../files"
	for _, o := range []Options{{Max: true}, {Max: true, V02: true}, {}} {
		text, err := b.Predicate(o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Read(o.Type(), text)
		if err != nil {
			t.Fatal(err)
		}
		if r.Dockerfile != "Dockerfile" || r.Target != "app" || r.Context != "" || r.Epoch != nil || len(r.Local) != 1 {
			t.Errorf("%+v: %+v", o, r)
		}
		if r.Complete != o.Max || (string(r.Text) == "") == o.Max || (r.BuildArgs["VERSION"] == "1") != o.Max {
			t.Errorf("%+v: %+v", o, r)
		}
		if o.Max && (len(r.Hidden) != 1 || r.Hidden[0] != "API_TOKEN" || r.Contexts["other"] == "" || r.Contexts["files"] != "") {
			t.Errorf("%+v: %+v", o, r)
		}
		asked := ""
		_, err = r.Lock.Resolve("golang:1.26", ocispec.Platform{OS: "linux", Architecture: "amd64"}, func(name string) (plan.Base, error) {
			asked = name
			return plan.Base{}, nil
		})
		if want := "@" + digest.FromString("golang").String(); err != nil || !strings.HasSuffix(asked, want) {
			t.Errorf("%+v: asked for %s, want it with %s", o, asked, want)
		}
	}
}

func TestReadsWhenAndWhere(t *testing.T) {
	t.Parallel()
	b := example()
	b.Finished = b.Started
	b.Local, b.Context, b.Commit = nil, "https://example.com/app.git#v1", strings.Repeat("cd", 20)
	text, err := b.Predicate(Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Read(TypeV1, text)
	if err != nil || r.Context != b.Context || r.Epoch == nil || !r.Epoch.Equal(b.Started) {
		t.Errorf("%+v %v", r, err)
	}
	repo, err := plan.ParseGit(b.Context)
	if err != nil {
		t.Fatal(err)
	}
	if commit, err := r.Lock.AskGit(repo); commit != b.Commit || err != nil {
		t.Errorf("%q %v", commit, err)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for text, kind := range map[string]string{"{": TypeV1, "[]": TypeV02, "{}": "https://example.com/other"} {
		if _, err := Read(kind, []byte(text)); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s of %s: %v", text, kind, err)
		}
	}
	other := `{"buildDefinition":{"externalParameters":{"request":{"frontend":"buildpacks"}}}}`
	if _, err := Read(TypeV1, []byte(other)); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	for _, odd := range []string{"pkg:oci/x", "pkg:docker/%zz@1", "pkg:docker/x@%zz", "pkg:docker/X@1", "pkg:docker/x?digest=sha256:1", "pkg:docker/x@1?%zz"} {
		if _, _, ok := imageOf(odd); ok {
			t.Errorf("%s is an image that can move", odd)
		}
	}
}
