package verify

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/builder/lockfile"
	"cove/builder/provenance"
	"cove/engine/builds"
	"cove/errdefs"
)

var amd64 = ocispec.Platform{OS: "linux", Architecture: "amd64"}

// given is what somebody said by flags.
func given(change func(*builder.Request)) Options {
	o := Options{Image: "app:v1", Options: builds.Options{Names: []string{"app:v1"}}}
	change(&o.Request)
	return o
}

// TestWhatIsGivenStandsAboveWhatIsSaid, and the rest is the recipe's.
func TestWhatIsGivenStandsAboveWhatIsSaid(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 0)
	r := provenance.Recipe{
		Context: "https://example.com/x.git", Dockerfile: "docker/Dockerfile", Target: "app", Network: "none",
		BuildArgs: map[string]string{"A": "1", "B": "2"}, Labels: map[string]string{"l": "1"}, Epoch: &at, Complete: true,
		Contexts: map[string]string{"base": "docker-image://alpine"}, Lock: &lockfile.Lock{},
	}
	o := given(func(r *builder.Request) { r.BuildArgs, r.Target = map[string]string{"A": "9"}, "test" })
	left, err := o.complete(r, amd64)
	if err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	got := []any{o.Context, o.Dockerfile, o.Target, o.Network, o.NoCache, o.BuildArgs, o.Labels, o.Contexts, o.Platforms, len(o.Names)}
	want := []any{
		r.Context, r.Dockerfile, "test", "none", true,
		map[string]string{"A": "9", "B": "2"},
		r.Labels, r.Contexts,
		[]ocispec.Platform{amd64},
		0,
	}
	if diff := cmp.Diff(want, got); diff != "" || o.Epoch != r.Epoch || o.Lock != r.Lock {
		t.Error(diff, o.Epoch, o.Lock)
	}
}

// TestWhatIsLeftOut is refused where nothing can be built without it, and else told.
func TestWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	o := given(func(*builder.Request) {})
	if _, err := o.complete(provenance.Recipe{}, amd64); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a directory: %v", err)
	}
	o = given(func(r *builder.Request) { r.Context = "." })
	if _, err := o.complete(provenance.Recipe{Local: []string{"files"}}, amd64); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a directory with a name: %v", err)
	}
	o = given(func(r *builder.Request) { r.Context, r.BuildArgs = ".", map[string]string{"TOKEN": "x"} })
	left, err := o.complete(provenance.Recipe{Hidden: []string{"TOKEN", "KEY"}}, amd64)
	if diff := cmp.Diff([]string{"the value of the build argument KEY", "build arguments and labels"}, left); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestStrangers choose no file of this machine, no network of the host, and no address at
// which somebody trusts it.
func TestStrangers(t *testing.T) {
	t.Parallel()
	said := func() provenance.Recipe {
		return provenance.Recipe{
			Context: "/root", Lock: &lockfile.Lock{}, Contexts: map[string]string{
				"secrets": "oci-layout:///var/lib/other", "files": "file:///etc", "base": "docker-image://alpine",
				"docs": "https://example.com/docs.tar",
			},
		}
	}
	r := said()
	distrust(&r)
	if r.Context != "" || !slices.Equal(r.Local, []string{"files", "secrets"}) || len(r.Contexts) != 2 {
		t.Errorf("%+v", r)
	}
	for _, dir := range []string{"-", ".", "../x", "file:///x", "oci-layout:///x"} {
		one := provenance.Recipe{Context: dir}
		if distrust(&one); one.Context != "" {
			t.Errorf("%s is taken for a context", dir)
		}
	}
	r = provenance.Recipe{Context: "https://example.com/x.git", Lock: &lockfile.Lock{}, Complete: true}
	distrust(&r)
	o := given(func(*builder.Request) {})
	if _, err := o.complete(r, amd64); err != nil || !o.Guarded {
		t.Errorf("a repository that the image names: guarded %v, %v", o.Guarded, err)
	}
	o = given(func(r *builder.Request) { r.Context = "http://localhost/x.tar" })
	if _, err := o.complete(r, amd64); err != nil || o.Guarded {
		t.Errorf("a URL that was given: guarded %v, %v", o.Guarded, err)
	}
	r.Contexts = map[string]string{"docs": "https://example.com/docs.tar"}
	if _, err := o.complete(r, amd64); err != nil || !o.Guarded {
		t.Errorf("beside another that the image names: guarded %v, %v", o.Guarded, err)
	}
	r.Network = "host"
	o = given(func(*builder.Request) {})
	if _, err := o.complete(r, amd64); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("the network of the host: %v", err)
	}
	for _, network := range []string{"default", "none", "host"} {
		o = given(func(r *builder.Request) { r.Network = network })
		if _, err := o.complete(r, amd64); err != nil || o.Network != network {
			t.Errorf("%s: %q, %v", network, o.Network, err)
		}
	}
}

// TestDockerfileFromStdin is that which the recipe has, unless another is given.
func TestDockerfileFromStdin(t *testing.T) {
	t.Parallel()
	r := provenance.Recipe{Dockerfile: "stdin", Text: []byte("FROM scratch\n")}
	o := given(func(r *builder.Request) { r.Context = "." })
	if _, err := o.complete(r, amd64); err != nil || o.Dockerfile != "-" {
		t.Fatalf("%q %v", o.Dockerfile, err)
	}
	if text, err := io.ReadAll(o.Stdin); string(text) != string(r.Text) || err != nil {
		t.Errorf("%q %v", text, err)
	}
	o = given(func(r *builder.Request) { r.Context, r.Dockerfile = ".", "other" })
	if _, err := o.complete(r, amd64); err != nil || o.Dockerfile != "other" || o.Stdin != nil {
		t.Errorf("%q %v", o.Dockerfile, err)
	}
}
