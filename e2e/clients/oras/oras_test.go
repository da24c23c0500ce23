package oras

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	oraslib "oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/file"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// What who serves the registry tells these tests: where it is, its authority, and a password of admin's.
const (
	hostVar     = "COVE_REGISTRY"
	caVar       = "COVE_REGISTRY_CA"
	passwordVar = "COVE_REGISTRY_PASSWORD"
)

// repository is one of the registry's, over TLS, by tokens.
func repository(t *testing.T, name string) *remote.Repository {
	t.Helper()
	host := os.Getenv(hostVar)
	if host == "" {
		t.Skipf("%s is not set: TestRealClients of internal/cli/registrycmd runs this", hostVar)
	}
	pem, err := os.ReadFile(os.Getenv(caVar))
	done(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	repo, err := remote.NewRepository(host + "/" + name)
	done(t, err)
	repo.Client = &auth.Client{
		Client:     &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}},
		Cache:      auth.NewCache(),
		Credential: auth.StaticCredential(host, auth.Credential{Username: "admin", Password: os.Getenv(passwordVar)}),
	}
	return repo
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kept are blobs in memory, to be pushed.
type kept struct {
	t *testing.T
	*memory.Store
}

func (k kept) blob(mediaType, text string, annotations map[string]string) ocispec.Descriptor {
	k.t.Helper()
	desc := content.NewDescriptorFromBytes(mediaType, []byte(text))
	done(k.t, k.Push(k.t.Context(), desc, strings.NewReader(text)))
	desc.Annotations = annotations
	return desc
}

// artifact packs a manifest of version 1.1 under a tag.
func (k kept) artifact(tag, artifactType string, opts oraslib.PackManifestOptions) ocispec.Descriptor {
	k.t.Helper()
	desc, err := oraslib.PackManifest(k.t.Context(), k, oraslib.PackManifestVersion1_1, artifactType, opts)
	done(k.t, err)
	done(k.t, k.Tag(k.t.Context(), desc, tag))
	return desc
}

// roundTrip pushes what a tag names, takes it back into an empty store, and wants every blob.
func (k kept) roundTrip(repo *remote.Repository, tag string) {
	k.t.Helper()
	ctx := k.t.Context()
	pushed, err := oraslib.Copy(ctx, k, tag, repo, tag, oraslib.DefaultCopyOptions)
	done(k.t, err)
	back := memory.New()
	pulled, err := oraslib.Copy(ctx, repo, tag, back, tag, oraslib.DefaultCopyOptions)
	done(k.t, err)
	if pulled.Digest != pushed.Digest || pulled.MediaType != pushed.MediaType {
		k.t.Errorf("%s went as %s, came as %s", tag, pushed.Digest, pulled.Digest)
	}
	below, err := content.Successors(ctx, back, pulled)
	done(k.t, err)
	for _, desc := range append(below, pulled) {
		body, err := content.FetchAll(ctx, back, desc) // holds it against digest and size
		done(k.t, err)
		want, err := content.FetchAll(ctx, k, desc)
		done(k.t, err)
		if !bytes.Equal(body, want) {
			k.t.Errorf("%s is other bytes", desc.Digest)
		}
	}
}

// TestFiles pushes a folder and a file, and unpacks them elsewhere: what "oras push" and "oras pull" do.
func TestFiles(t *testing.T) {
	repo, dir, ctx := repository(t, "team/files"), t.TempDir(), t.Context()
	done(t, os.MkdirAll(filepath.Join(dir, "in", "folder"), 0o700))
	for name, text := range map[string]string{"note.txt": "a note", "folder/one": "1", "folder/two": "2"} {
		done(t, os.WriteFile(filepath.Join(dir, "in", name), []byte(text), 0o600))
	}
	in, err := file.New(filepath.Join(dir, "in"))
	done(t, err)
	defer in.Close()
	var layers []ocispec.Descriptor
	for _, name := range []string{"note.txt", "folder"} {
		desc, err := in.Add(ctx, name, "", "")
		done(t, err)
		layers = append(layers, desc)
	}
	root, err := oraslib.PackManifest(ctx, in, oraslib.PackManifestVersion1_1, "application/vnd.example.files", oraslib.PackManifestOptions{Layers: layers})
	done(t, err)
	done(t, in.Tag(ctx, root, "v1"))
	_, err = oraslib.Copy(ctx, in, "v1", repo, "v1", oraslib.DefaultCopyOptions)
	done(t, err)
	out, err := file.New(filepath.Join(dir, "out"))
	done(t, err)
	defer out.Close()
	_, err = oraslib.Copy(ctx, repo, "v1", out, "v1", oraslib.DefaultCopyOptions)
	done(t, err)
	for name, want := range map[string]string{"note.txt": "a note", "folder/one": "1", "folder/two": "2"} {
		if got, err := os.ReadFile(filepath.Join(dir, "out", name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestReferrers attaches, lists by type, copies with what refers to it to another repository by
// mounting, and deletes.
func TestReferrers(t *testing.T) {
	repo, ctx, k := repository(t, "team/subject"), t.Context(), kept{t, memory.New()}
	subject := k.artifact("v1", "application/vnd.example.app", oraslib.PackManifestOptions{
		Layers: []ocispec.Descriptor{k.blob("text/plain", "the app", nil)},
	})
	k.roundTrip(repo, "v1")
	for i, kind := range []string{"application/vnd.example.sbom", "application/vnd.example.sbom", "application/vnd.example.report"} {
		tag := string(rune('a' + i))
		k.artifact(tag, kind, oraslib.PackManifestOptions{
			Subject: &subject, Layers: []ocispec.Descriptor{k.blob("text/plain", "about "+tag, nil)},
			ManifestAnnotations: map[string]string{"org.example.number": tag},
		})
		_, err := oraslib.Copy(ctx, k, tag, repo, tag, oraslib.DefaultCopyOptions)
		done(t, err)
	}
	count := func(repo *remote.Repository, kind string) (n int) {
		t.Helper()
		done(t, repo.Referrers(ctx, subject, kind, func(page []ocispec.Descriptor) error {
			for _, desc := range page {
				if desc.Annotations["org.example.number"] == "" || (kind != "" && desc.ArtifactType != kind) {
					t.Errorf("of type %q: %+v", kind, desc)
				}
			}
			n += len(page)
			return nil
		}))
		return n
	}
	if all, boms := count(repo, ""), count(repo, "application/vnd.example.sbom"); all != 3 || boms != 2 {
		t.Errorf("%d refer to it, %d of them are lists of its software", all, boms)
	}
	other := repository(t, "team/elsewhere")
	opts := oraslib.DefaultExtendedCopyOptions
	mounted := false
	opts.MountFrom = func(context.Context, ocispec.Descriptor) ([]string, error) { return []string{"team/subject"}, nil }
	opts.OnMounted = func(context.Context, ocispec.Descriptor) error { mounted = true; return nil }
	_, err := oraslib.ExtendedCopy(ctx, repo, "v1", other, "v1", opts)
	done(t, err)
	if n := count(other, ""); n != 3 || !mounted {
		t.Errorf("%d came along; mounted: %t", n, mounted)
	}
	desc, err := other.Resolve(ctx, "v1")
	done(t, err)
	done(t, other.Delete(ctx, desc))
	if _, err := other.Resolve(ctx, "v1"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("deleted, and asked for: %v", err)
	}
}

// TestModels pushes the two forms in which models are given out: the ModelPack specification's,
// and that of docker model.
func TestModels(t *testing.T) {
	repo, k := repository(t, "team/model"), kept{t, memory.New()}
	weights := strings.Repeat("\x00\x01\x02weights", 50_000)
	at := func(name string) map[string]string { return map[string]string{"org.cncf.model.filepath": name} }
	config := k.blob("application/vnd.cncf.model.config.v1+json", `{"descriptor":{"name":"small","family":"llama"},`+
		`"config":{"format":"gguf","paramSize":"1b"},"modelfs":{"type":"layers","diffIds":["`+digest.FromString(weights).String()+`"]}}`, nil)
	k.artifact("modelpack", "application/vnd.cncf.model.manifest.v1+json", oraslib.PackManifestOptions{
		ConfigDescriptor: &config,
		Layers: []ocispec.Descriptor{
			k.blob("application/vnd.cncf.model.weight.v1.raw", weights, at("model.gguf")),
			k.blob("application/vnd.cncf.model.weight.config.v1.raw", `{"hidden_size":1}`, at("config.json")),
			k.blob("application/vnd.cncf.model.doc.v1.raw", "# Small", at("README.md")),
		},
	})
	k.roundTrip(repo, "modelpack")

	// docker model packs no artifactType.
	conf := k.blob("application/vnd.docker.ai.model.config.v0.1+json",
		`{"config":{"format":"gguf","parameters":"1 B","size":"1 MB"},"files":[{"diffID":"`+digest.FromString(weights).String()+`","type":"application/vnd.docker.ai.gguf.v3"}]}`, nil)
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: conf,
		Layers: []ocispec.Descriptor{
			k.blob("application/vnd.docker.ai.gguf.v3", weights, nil),
			k.blob("application/vnd.docker.ai.license", "MIT", nil),
		},
	}
	body, err := json.Marshal(manifest)
	done(t, err)
	done(t, k.Tag(t.Context(), k.blob(ocispec.MediaTypeImageManifest, string(body), nil), "docker-model"))
	k.roundTrip(repo, "docker-model")
}

// TestTags lists what was tagged, page by page, and reads one blob in parts.
func TestTags(t *testing.T) {
	repo, ctx, k := repository(t, "team/tags"), t.Context(), kept{t, memory.New()}
	layer := k.blob("text/plain", strings.Repeat("0123456789", 1000), nil)
	root := k.artifact("t0", "application/vnd.example.app", oraslib.PackManifestOptions{Layers: []ocispec.Descriptor{layer}})
	k.roundTrip(repo, "t0")
	for _, tag := range []string{"t1", "t2", "t3", "t4"} {
		done(t, repo.Tag(ctx, root, tag))
	}
	var all []string
	repo.TagListPageSize = 2
	done(t, repo.Tags(ctx, "", func(page []string) error { all = append(all, page...); return nil }))
	if got := strings.Join(all, " "); got != "t0 t1 t2 t3 t4" {
		t.Errorf("tags: %s", got)
	}
	rd, err := repo.Blobs().Fetch(ctx, layer)
	done(t, err)
	defer rd.Close()
	seeker, ok := rd.(io.ReadSeeker)
	if !ok {
		t.Fatal("the registry does not say that a blob can be read in parts")
	}
	_, err = seeker.Seek(9995, io.SeekStart)
	done(t, err)
	if rest, err := io.ReadAll(seeker); err != nil || string(rest) != "56789" {
		t.Errorf("%q, %v", rest, err)
	}
}
