package distributiontest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
)

func testManifest(t *testing.T, s Subject) {
	img := NewImage(t, 10, 5000, 100)
	pushImage(t, s, "suite/image", img, "v1")
	dgst := img.Manifest.Descriptor.Digest
	check := func(how string, m distribution.Manifest, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if !bytes.Equal(m.Body, img.Manifest.Body) || m.Descriptor.Digest != dgst ||
			m.Descriptor.MediaType != img.Manifest.Descriptor.MediaType {
			t.Errorf("%s is not what was put: %+v", how, m.Descriptor)
		}
	}
	m, err := s.Registry.GetManifest(s.Context, "suite/image", dgst)
	check("GetManifest", m, err)
	m, err = s.Registry.GetTag(s.Context, "suite/image", "v1")
	check("GetTag", m, err)
	// What has the bytes of both says the same without them.
	desc, err := s.Registry.StatManifest(s.Context, "suite/image", dgst)
	check("StatManifest", distribution.Manifest{Descriptor: desc, Body: m.Body}, err)
	sameSize(t, desc, m)
	desc, err = s.Registry.StatTag(s.Context, "suite/image", "v1")
	check("StatTag", distribution.Manifest{Descriptor: desc, Body: m.Body}, err)
	sameSize(t, desc, m)
}

func sameSize(t *testing.T, desc ocispec.Descriptor, m distribution.Manifest) {
	t.Helper()
	if desc.Size != int64(len(m.Body)) {
		t.Errorf("size %d, the body has %d bytes", desc.Size, len(m.Body))
	}
}

// testManifestUnknown asks for what is not there, and for a tag by the way of a
// digest and a digest by the way of a tag: neither is guessed.
func testManifestUnknown(t *testing.T, s Subject) {
	img := NewImage(t, 11, 100)
	pushImage(t, s, "suite/unknown", img, "v1")
	for repo, dgst := range map[string]digest.Digest{
		"suite/unknown": digest.FromString("x"), "suite/none": img.Manifest.Descriptor.Digest,
	} {
		_, err := s.Registry.GetManifest(s.Context, repo, dgst)
		is(t, "GetManifest in "+repo, err, errdefs.ErrNotFound)
		_, err = s.Registry.StatManifest(s.Context, repo, dgst)
		is(t, "StatManifest in "+repo, err, errdefs.ErrNotFound)
	}
	for repo, tag := range map[string]string{"suite/unknown": "v2", "suite/none": "v1"} {
		_, err := s.Registry.GetTag(s.Context, repo, tag)
		is(t, "GetTag in "+repo, err, errdefs.ErrNotFound)
		_, err = s.Registry.StatTag(s.Context, repo, tag)
		is(t, "StatTag in "+repo, err, errdefs.ErrNotFound)
	}
}

func testManifestMissing(t *testing.T, s Subject) {
	img := NewImage(t, 20, 1000, 2000)
	push(t, s, "suite/missing", img.Blobs[img.Layers[0].Digest])
	// A blob of another repository does not count.
	push(t, s, "suite/elsewhere", img.Blobs[img.Layers[1].Digest])
	_, err := s.Registry.PutManifest(s.Context, "suite/missing", img.Manifest, "v1")
	is(t, "PutManifest without its blobs", err, errdefs.ErrNotFound)
	var missing *distribution.MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("PutManifest: %v holds no MissingError", err)
	}
	want := []digest.Digest{img.Config.Digest, img.Layers[1].Digest}
	slices.Sort(want)
	slices.Sort(missing.Digests)
	if !slices.Equal(missing.Digests, want) {
		t.Errorf("missing %v, want %v", missing.Digests, want)
	}
	_, err = s.Registry.StatTag(s.Context, "suite/missing", "v1")
	is(t, "StatTag of what was refused", err, errdefs.ErrNotFound)
}

// fetchedElsewhere is the type of layers that a registry need not have.
const fetchedElsewhere = "application/vnd.oci.image.layer.nondistributable.v1.tar"

// testManifestClaims pushes manifests that describe what is there otherwise than it
// is: each is refused, and leaves nothing.
func testManifestClaims(t *testing.T, s Subject) {
	img := NewImage(t, 60, 1000, 2000)
	pushImage(t, s, "suite/claims", img, "v1")
	image := func(change func(*ocispec.Manifest)) distribution.Manifest {
		m := ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			Config: img.Config, Layers: slices.Clone(img.Layers),
		}
		change(&m)
		return NewManifest(t, m)
	}
	child := img.Manifest.Descriptor
	larger, other := child, child
	larger.Size++
	other.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
	for what, m := range map[string]distribution.Manifest{
		"a layer one byte longer":   image(func(m *ocispec.Manifest) { m.Layers[1].Size++ }),
		"a layer of no bytes":       image(func(m *ocispec.Manifest) { m.Layers[0].Size = 0 }),
		"a config one byte shorter": image(func(m *ocispec.Manifest) { m.Config.Size-- }),
		"one layer of two sizes": image(func(m *ocispec.Manifest) {
			m.Layers = append(m.Layers,
				m.Layers[0])
			m.Layers[2].Size++
		}),
		"a subject one byte longer": image(func(m *ocispec.Manifest) { m.Subject = &larger }),
		"a layer from elsewhere, one byte longer than here": image(func(m *ocispec.Manifest) {
			m.Layers[1].MediaType, m.Layers[1].URLs = fetchedElsewhere, []string{"https://elsewhere.example/layer"}
			m.Layers[1].Size++
		}),
		"a child one byte longer":       Index(t, larger),
		"a child of another media type": Index(t, other),
	} {
		_, err := s.Registry.PutManifest(s.Context, "suite/claims", m, "wrong")
		is(t, what, err, errdefs.ErrInvalid)
	}
	_, err := s.Registry.StatTag(s.Context, "suite/claims", "wrong")
	is(t, "the tag of what was refused", err, errdefs.ErrNotFound)
	put(t, s, "suite/claims", image(func(m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) }), "twice")
	put(t, s, "suite/claims", image(func(m *ocispec.Manifest) { // nothing here says otherwise
		absent := Blob(fetchedElsewhere, []byte("absent layer"))
		absent.URLs = []string{"https://elsewhere.example/absent"}
		subject := Blob(ocispec.MediaTypeImageManifest, []byte("absent subject"))
		m.Layers, m.Subject = append(m.Layers, absent), &subject
	}), "absent")
}

func testManifestRetag(t *testing.T, s Subject) {
	a, b := NewImage(t, 30, 100), NewImage(t, 31, 100)
	pushImage(t, s, "suite/retag", a, "latest")
	pushImage(t, s, "suite/retag", b, "latest")
	desc, err := s.Registry.StatTag(s.Context, "suite/retag", "latest")
	if err != nil || desc.Digest != b.Manifest.Descriptor.Digest {
		t.Errorf("the tag names %s (%v), want the later manifest", desc.Digest, err)
	}
	if _, err := s.Registry.StatManifest(s.Context, "suite/retag", a.Manifest.Descriptor.Digest); err != nil {
		t.Errorf("the earlier manifest by digest: %v", err)
	}
	put(t, s, "suite/retag", b.Manifest, "latest") // again
}

func testIndex(t *testing.T, s Subject) {
	a, b := NewImage(t, 40, 100), NewImage(t, 41, 100)
	pushImage(t, s, "suite/index", a)
	index := Index(t, a.Manifest.Descriptor, b.Manifest.Descriptor)
	_, err := s.Registry.PutManifest(s.Context, "suite/index", index, "multi")
	is(t, "PutManifest of an index without a child", err, errdefs.ErrNotFound)
	pushImage(t, s, "suite/index", b)
	put(t, s, "suite/index", index, "multi")
	m, err := s.Registry.GetTag(s.Context, "suite/index", "multi")
	if err != nil || m.Descriptor.MediaType != ocispec.MediaTypeImageIndex {
		t.Errorf("GetTag = %+v, %v", m.Descriptor, err)
	}
}

func testDelete(t *testing.T, s Subject) {
	img := NewImage(t, 50, 1000)
	dgst := img.Manifest.Descriptor.Digest
	pushImage(t, s, "suite/delete", img, "a")
	put(t, s, "suite/delete", img.Manifest, "b")
	if err := s.Registry.DeleteTag(s.Context, "suite/delete", "a"); err != nil {
		t.Fatalf("DeleteTag: %v", err)
	}
	_, err := s.Registry.StatTag(s.Context, "suite/delete", "a")
	is(t, "the deleted tag", err, errdefs.ErrNotFound)
	if _, err := s.Registry.StatTag(s.Context, "suite/delete", "b"); err != nil {
		t.Errorf("the other tag: %v", err)
	}
	is(t, "DeleteTag again", s.Registry.DeleteTag(s.Context, "suite/delete", "a"), errdefs.ErrNotFound)
	if err := s.Registry.DeleteManifest(s.Context, "suite/delete", dgst); err != nil {
		t.Fatalf("DeleteManifest: %v", err)
	}
	_, err = s.Registry.GetTag(s.Context, "suite/delete", "b")
	is(t, "GetTag after DeleteManifest", err, errdefs.ErrNotFound)
	_, err = s.Registry.GetManifest(s.Context, "suite/delete", dgst)
	is(t, "GetManifest after DeleteManifest", err, errdefs.ErrNotFound)
	is(t, "DeleteManifest again", s.Registry.DeleteManifest(s.Context, "suite/delete", dgst), errdefs.ErrNotFound)
	layer := img.Layers[0].Digest
	if err := s.Registry.DeleteBlob(s.Context, "suite/delete", layer); err != nil {
		t.Fatalf("DeleteBlob: %v", err)
	}
	_, err = s.Registry.StatBlob(s.Context, "suite/delete", layer)
	is(t, "StatBlob after DeleteBlob", err, errdefs.ErrNotFound)
	is(t, "DeleteBlob again", s.Registry.DeleteBlob(s.Context, "suite/delete", layer), errdefs.ErrNotFound)
	push(t, s, "suite/delete", img.Blobs[layer]) // and it comes back
	holds(t, s, "suite/delete", img.Blobs[layer])
}

func testTags(t *testing.T, s Subject) {
	_, _, err := s.Registry.Tags(s.Context, "suite/untagged", distribution.Page{})
	is(t, "Tags of no repository", err, errdefs.ErrNotFound)
	img := NewImage(t, 60, 10)
	want := []string{"1.0", "1.0-rc", "A", "a", "latest"} // in byte order
	for _, tag := range []string{"latest", "a", "1.0-rc", "A", "1.0"} {
		pushImage(t, s, "suite/tags", img, tag)
	}
	paged(t, want, func(p distribution.Page) ([]string, bool, error) {
		return s.Registry.Tags(s.Context, "suite/tags",
			p)
	})
}

func testRepositories(t *testing.T, s Subject) {
	img := NewImage(t, 70, 10)
	want := []string{"suite/a", "suite/a/b", "suite/b", "suite/c"}
	for _, repo := range []string{"suite/c", "suite/a/b", "suite/a", "suite/b"} {
		pushImage(t, s, repo, img, "v1")
	}
	paged(t, want, func(p distribution.Page) ([]string, bool, error) { return s.Registry.Repositories(s.Context, p) })
}

// paged holds a list, whole and in pages of every size, against want.
func paged(t *testing.T, want []string, list func(distribution.Page) ([]string, bool, error)) {
	t.Helper()
	all, more, err := list(distribution.Page{})
	if err != nil || more || !slices.Equal(all, want) {
		t.Fatalf("the whole list = %q, more %v, %v; want %q", all, more, err, want)
	}
	for n := 1; n <= len(want)+1; n++ {
		var got []string
		for last, more := "", true; more; {
			names, m, err := list(distribution.Page{N: n, Last: last})
			if err != nil || len(names) > n || m && len(names) == 0 || len(got) > len(want) {
				t.Fatalf("page of %d after %q = %q, more %v, %v", n, last, names, m, err)
			}
			got, more = append(got, names...), m
			if m {
				last = names[len(names)-1]
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q, want %q", n, got, want)
		}
	}
	names, more, err := list(distribution.Page{N: 10, Last: "zzz"})
	if err != nil || more || len(names) != 0 {
		t.Errorf("after the end: %q, more %v, %v", names, more, err)
	}
}

func testReferrers(t *testing.T, s Subject) {
	const repo = "suite/referrers"
	img := NewImage(t, 80, 10)
	pushImage(t, s, repo, img, "v1")
	empty := []byte("{}")
	push(t, s, repo, empty)
	artifact := func(kind, note string) distribution.Manifest {
		return NewManifest(t, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: kind,
			Config:  Blob(ocispec.MediaTypeEmptyJSON, empty),
			Layers:  []ocispec.Descriptor{Blob(ocispec.MediaTypeEmptyJSON, empty)},
			Subject: &img.Manifest.Descriptor, Annotations: map[string]string{"note": note},
		})
	}
	sbom, sig := artifact("application/sbom", "one"), artifact("application/signature", "two")
	for _, m := range []distribution.Manifest{sbom, sig} {
		if got := put(t, s, repo, m); got != img.Manifest.Descriptor.Digest {
			t.Errorf("PutManifest says its subject is %q", got)
		}
	}
	if got := put(t, s, repo, img.Manifest, "v2"); got != "" {
		t.Errorf("PutManifest without subject says %q", got)
	}
	for filter, want := range map[string][]distribution.Manifest{
		"": {sbom, sig}, "application/sbom": {sbom}, "application/none": nil,
	} {
		descs, _, err := s.Registry.Referrers(s.Context, repo, distribution.ReferrersQuery{
			Subject: img.Manifest.Descriptor.Digest, ArtifactType: filter,
		})
		if err != nil || len(descs) != len(want) {
			t.Fatalf("Referrers(%q) = %v, %v; want %d", filter, descs, err, len(want))
		}
		for _, m := range want {
			i := slices.IndexFunc(descs, func(d ocispec.Descriptor) bool { return d.Digest == m.Descriptor.Digest })
			if i < 0 || descs[i].ArtifactType == "" || descs[i].Annotations["note"] == "" ||
				descs[i].Size != m.Descriptor.Size {
				t.Errorf("Referrers(%q) describes %s poorly: %+v", filter, m.Descriptor.Digest, descs)
			}
		}
	}
	unseen := distribution.ReferrersQuery{Subject: digest.FromString("unseen")}
	if descs, _, err := s.Registry.Referrers(s.Context, repo, unseen); err != nil || len(descs) != 0 {
		t.Errorf("Referrers of an unknown subject = %v, %v; want none and no error", descs, err)
	}
	if err := s.Registry.DeleteManifest(s.Context, repo, sbom.Descriptor.Digest); err != nil {
		t.Fatal(err)
	}
	of := distribution.ReferrersQuery{Subject: img.Manifest.Descriptor.Digest}
	if descs, _, _ := s.Registry.Referrers(s.Context, repo, of); len(descs) != 1 {
		t.Errorf("after deleting one of two there are %d", len(descs))
	}
}

// testReferrersBeforeSubject pushes what refers to something that comes later: an
// image without artifactType, which has its config's, and an index, which has none.
func testReferrersBeforeSubject(t *testing.T, s Subject) {
	const repo = "suite/early"
	img := NewImage(t, 82, 10)
	config := []byte(`{"note":1}`)
	push(t, s, repo, config)
	image := NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: Blob("application/vnd.note", config), Layers: []ocispec.Descriptor{Blob("text/plain", config)},
		Subject: &img.Manifest.Descriptor,
	})
	index := NewManifest(t, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{}, Subject: &img.Manifest.Descriptor,
	})
	for _, m := range []distribution.Manifest{image, index} {
		if got := put(t, s, repo, m); got != img.Manifest.Descriptor.Digest {
			t.Errorf("PutManifest says its subject is %q", got)
		}
	}
	pushImage(t, s, repo, img, "v1")
	descs, _, err := s.Registry.Referrers(s.Context, repo, distribution.ReferrersQuery{
		Subject: img.Manifest.Descriptor.Digest,
	})
	types := map[digest.Digest]string{}
	for _, d := range descs {
		types[d.Digest] = d.ArtifactType
	}
	if err != nil || len(types) != 2 || types[image.Descriptor.Digest] != "application/vnd.note" ||
		types[index.Descriptor.Digest] != "" {
		t.Errorf("Referrers = %+v, %v", descs, err)
	}
}

// testReferrersPages has more referrers than fit into one answer, in bytes: each
// page is within the limit, and all together hold each of them once.
func testReferrersPages(t *testing.T, s Subject) {
	const repo, all = "suite/manyreferrers", 40
	img := NewImage(t, 81, 10)
	pushImage(t, s, repo, img, "v1")
	push(t, s, repo, []byte("{}"))
	var want []string
	for i := range all {
		empty := Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
		m := NewManifest(t, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			ArtifactType: fmt.Sprint("application/kind", i%2), Config: empty, Layers: []ocispec.Descriptor{empty},
			Subject:     &img.Manifest.Descriptor,
			Annotations: map[string]string{"note": strings.Repeat(fmt.Sprintf("%02d", i), 125_000)},
		})
		put(t, s, repo, m)
		want = append(want, m.Descriptor.Digest.String())
	}
	slices.Sort(want)
	for _, n := range []int{0, 3} {
		var got []string
		for q := (distribution.ReferrersQuery{
			Subject: img.Manifest.Descriptor.Digest,
			Page:    distribution.Page{N: n},
		}); ; {
			descs, more, err := s.Registry.Referrers(s.Context, repo, q)
			if err != nil || more && len(descs) == 0 || n > 0 && len(descs) > n || len(got) > all {
				t.Fatalf("after %d: %d more, %v", len(got), len(descs), err)
			}
			body, err := json.Marshal(descs)
			if err != nil || len(body) > 4<<20 {
				t.Errorf("a page of %d bytes (%v)", len(body), err)
			}
			for _, d := range descs {
				got, q.Last = append(got, d.Digest.String()), d.Digest.String()
			}
			if !more {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %d referrers, want %d", n, len(got), len(want))
		}
	}
	kind := distribution.ReferrersQuery{
		Subject: img.Manifest.Descriptor.Digest, ArtifactType: "application/kind1",
		Page: distribution.Page{N: 15},
	}
	if descs, more, err := s.Registry.Referrers(s.Context, repo, kind); err != nil || !more || len(descs) != 15 {
		t.Errorf("of one type: %d, more %v, %v", len(descs), more, err)
	}
}
