package builds

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/builder/plan"
	"cove/builder/provenance"
	"cove/errdefs"
)

// TestWhereDocumentsHaveNoPlace they are refused, and not left out; the usual ones are.
func TestWhereDocumentsHaveNoPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outputs []Output
		refused bool
	}{
		{nil, false},
		{[]Output{{Type: Image}}, false},
		{[]Output{{Type: Docker}}, true},
		{[]Output{{Type: Registry, Push: true, DockerTypes: true}}, true},
		{[]Output{{Type: Local}, {Type: Tar}, {Type: CacheOnly}}, true},
		{[]Output{{Type: Local}, {Type: OCI}}, false},
	} {
		for _, asked := range []Attest{{SBOM: true}, {Provenance: &Provenance{Max: true}}} {
			o := Options{Outputs: c.outputs, Request: builder.Request{Attest: asked}}
			if err := checkAttest(o); errors.Is(err, errdefs.ErrUnsupported) != c.refused {
				t.Errorf("%+v of %+v: %v", asked, c.outputs, err)
			}
		}
		for _, usual := range []Attest{{}, {Provenance: &Provenance{InlineOnly: true}}} {
			if err := checkAttest(Options{Outputs: c.outputs, Request: builder.Request{Attest: usual}}); err != nil {
				t.Errorf("nobody asked: %v", err)
			}
		}
	}
}

func TestDefaultProvenance(t *testing.T) {
	for value, want := range map[string]bool{"": true, "0": true, "false": true, "1": false, "true": false} {
		t.Setenv("BUILDX_NO_DEFAULT_ATTESTATIONS", value)
		if got := DefaultProvenance(); (got != nil) != want || got != nil && (!got.InlineOnly || got.Max) {
			t.Errorf("%q: %+v", value, got)
		}
	}
}

// about is how an image from scratch was made, for a platform.
func about(arch string) provenance.Build {
	img := plan.Image{RootFS: 1, Platform: ocispec.Platform{OS: "linux", Architecture: arch}}
	return provenance.Build{
		ID: "id", Started: time.Unix(1, 0), Finished: time.Unix(2, 0), Name: "Dockerfile",
		Args: map[string]string{"build-arg:A": "1"}, Image: img,
		Graph: &plan.Graph{Vertices: []*plan.Vertex{
			{ID: 0, Parent: plan.None, Op: &plan.Base{Name: "docker.io/library/debian:12"}},
			{ID: 1, Parent: 0, Op: &plan.Workdir{Path: "/w"}},
		}, Target: img},
	}
}

func TestProvenanceForPrograms(t *testing.T) {
	one := &Result{About: []provenance.Build{about("amd64")}}
	two := &Result{About: []provenance.Build{about("amd64"), about("arm64")}}
	for mode, args := range map[string]int{"": 0, "min": 0, "max": 1} {
		t.Setenv("BUILDX_METADATA_PROVENANCE", mode)
		all, err := ProvenanceOf(one)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		var p struct {
			BuildType  string
			Invocation struct {
				Parameters struct{ Args map[string]string }
			}
		}
		err = json.Unmarshal(all["buildx.build.provenance"], &p)
		if err != nil || p.BuildType != "https://mobyproject.org/buildkit@v1" || len(p.Invocation.Parameters.Args) != args {
			t.Errorf("%q: %+v %v", mode, p, err)
		}
	}
	if all, err := ProvenanceOf(two); err != nil || len(all) != 2 || all["buildx.build.provenance/linux/arm64"] == nil {
		t.Errorf("%v %v", all, err)
	}
	t.Setenv("BUILDX_METADATA_PROVENANCE", "disabled")
	if all, err := ProvenanceOf(two); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
}

// TestHistoryHasTheProvenance of each image, and what they were made of, once.
func TestHistoryHasTheProvenance(t *testing.T) {
	t.Parallel()
	e := rootOnly{dir: t.TempDir()}
	reqs := []builder.Request{{Context: "."}}
	r := beginHistory(e, reqs, []Options{{}})
	r.end(t.Context(), reqs, []*Result{{About: []provenance.Build{about("amd64"), about("arm64")}}}, nil)
	rec, err := History(e).Find("")
	if err != nil || len(rec.Attachments) != 2 || len(rec.Materials) != 1 ||
		rec.Materials[0].URI != "pkg:docker/debian@12" || reqs[0].ID != rec.ID {
		t.Fatalf("%+v %v", rec, err)
	}
	for _, doc := range rec.Attachments {
		data, err := History(e).Attachment(rec.ID, doc)
		if err != nil || doc.Type != provenance.TypeV1 || !json.Valid(data) {
			t.Errorf("%+v: %s %v", doc, data, err)
		}
	}
}
