package registrycmd

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// clientHome is where one client of another project keeps what it is told: no file of the
// machine's own says anything to it.
type clientHome struct {
	t       *testing.T
	p       *process
	dir, ca string
	env     []string
}

func newClientHome(t *testing.T, p *process, ca string) clientHome {
	h := clientHome{t: t, p: p, dir: t.TempDir(), ca: ca}
	h.env = append(os.Environ(), "HOME="+h.dir, "DOCKER_CONFIG="+h.dir, "SSL_CERT_FILE="+ca, "REGCTL_CONFIG="+h.at("regctl.json"),
		"HELM_CACHE_HOME="+h.dir, "HELM_CONFIG_HOME="+h.dir, "HELM_DATA_HOME="+h.dir,
		"REGISTRY_AUTH_FILE="+h.at("config.json"))
	h.write("config.json", "{}")
	return h
}

// of is the same home, in a test below.
func (h clientHome) of(t *testing.T) clientHome { h.t = t; return h }

func (h clientHome) at(name string) string       { return filepath.Join(h.dir, name) }
func (h clientHome) registry(name string) string { return h.p.Address + "/" + name }

func (h clientHome) write(name, text string) string {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.at(name)), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.at(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h.at(name)
}

// built is a program that "make deps-test", or "make soak", brings below .cache/tools.
func built(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../../.cache/tools", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs %s, which make deps-test brings, or make soak: %v", name, err)
	}
	return path
}

// run runs a client and returns what it wrote to its output.
func (h clientHome) run(name string, args ...string) string {
	h.t.Helper()
	out, errs, err := h.try(name, args...)
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, errs)
	}
	return out
}

func (h clientHome) try(name string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(h.t.Context(), name, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = h.env, h.dir, strings.NewReader(testPassword), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// want fails unless what a client wrote has a text.
func (h clientHome) want(out, text string) {
	h.t.Helper()
	if !strings.Contains(out, text) {
		h.t.Errorf("%q is not in:\n%s", text, out)
	}
}

// push stores a manifest of one layer and its blobs, and returns the manifest's digest.
func (h clientHome) push(name, tag, mediaType string, manifest []byte, blobs ...[]byte) digest.Digest {
	h.t.Helper()
	for _, b := range blobs {
		if code, _, body := h.p.do("POST", "/v2/"+name+"/blobs/uploads/?digest="+digest.FromBytes(b).String(), b); code != 201 {
			h.t.Fatalf("a blob: %d %s", code, body)
		}
	}
	if code, _, body := h.p.do("PUT", "/v2/"+name+"/manifests/"+tag, manifest, "Content-Type", mediaType); code != 201 {
		h.t.Fatalf("the manifest: %d %s", code, body)
	}
	return digest.FromBytes(manifest)
}

// unpackable is a layer of one file, packed, and the digest of what it unpacks to.
func (h clientHome) unpackable() (layer []byte, diffID digest.Digest) {
	h.t.Helper()
	var raw, packed bytes.Buffer
	tw, zw := tar.NewWriter(&raw), gzip.NewWriter(&packed)
	if err := tw.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: 6, Typeflag: tar.TypeReg}); err != nil {
		h.t.Fatal(err)
	}
	_, errTar := tw.Write([]byte("hello\n"))
	errEnd := tw.Close()
	_, errZip := zw.Write(raw.Bytes())
	for _, err := range []error{errTar, errEnd, errZip, zw.Close()} {
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return packed.Bytes(), digest.FromBytes(raw.Bytes())
}

// schema2 stores an image in the form that docker's version 2.2 pushes, whose manifest nobody
// would write again the same: other indentation, fields in another order, one that is not known.
func (h clientHome) schema2(name, tag string) (manifest []byte) {
	h.t.Helper()
	layer, diffID := h.unpackable()
	config := []byte(`{"architecture":"amd64","os":"linux","config":{"Cmd":["/hello"]},"rootfs":{"type":"layers","diff_ids":["` + diffID.String() + `"]},` +
		`"history":[{"created":"2020-01-01T00:00:00Z","created_by":"COPY hello /"}]}`)
	manifest, err := json.MarshalIndent(map[string]any{
		"schemaVersion": 2, "mediaType": schema2Manifest, "x-own": 1,
		"config": ocispec.Descriptor{MediaType: "application/vnd.docker.container.image.v1+json", Digest: digest.FromBytes(config), Size: int64(len(config))},
		"layers": []ocispec.Descriptor{{MediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", Digest: digest.FromBytes(layer), Size: int64(len(layer))}},
	}, "", "     ")
	if err != nil {
		h.t.Fatal(err)
	}
	manifest = append(manifest, " \n\n"...)
	h.push(name, tag, schema2Manifest, manifest, layer, config)
	return manifest
}

const (
	schema2Manifest = "application/vnd.docker.distribution.manifest.v2+json"
	schema2List     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// testSchema2 takes docker's own forms through other clients and wants each byte again.
func testSchema2(t *testing.T, h clientHome) {
	image := h.schema2("team/schema2", "v1")
	list := []byte("{\n \"manifests\": [ {\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}, \"size\":" +
		jsonOf(t, len(image)) + ", \"digest\":" + jsonOf(t, digest.FromBytes(image)) + ",\"mediaType\":" + jsonOf(t, schema2Manifest) +
		"} ],\n \"mediaType\":" + jsonOf(t, schema2List) + ",\"schemaVersion\": 2 }\n")
	h.push("team/schema2", "list", schema2List, list)
	same := func(repo, tag, mediaType string, want []byte) {
		t.Helper()
		code, header, got := h.p.do("GET", "/v2/"+repo+"/manifests/"+tag, nil)
		if code != 200 || header.Get("Content-Type") != mediaType || !bytes.Equal(got, want) {
			t.Errorf("%s:%s: %d %s\n%s", repo, tag, code, header.Get("Content-Type"), got)
		}
	}
	same("team/schema2", "v1", schema2Manifest, image)
	same("team/schema2", "list", schema2List, list)

	crane := built(t, "crane")
	h.run(crane, "auth", "login", h.p.Address, "-u", "admin", "--password-stdin")
	if got := h.run(crane, "manifest", h.registry("team/schema2:list")); got != string(list)+"\n" && got != string(list) {
		t.Errorf("crane reads %q", got)
	}
	h.run(crane, "copy", h.registry("team/schema2:list"), h.registry("other/crane:list"))
	same("other/crane", "list", schema2List, list)
	tool(t, "skopeo")
	h.run("skopeo", "copy", "--all", "--preserve-digests", "docker://"+h.registry("team/schema2:list"), "dir:"+h.at("dir"))
	h.run("skopeo", "copy", "--all", "--preserve-digests", "dir:"+h.at("dir"), "docker://"+h.registry("other/skopeo:list"))
	same("other/skopeo", "list", schema2List, list)
	same("other/skopeo", digest.FromBytes(image).String(), schema2Manifest, image)
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testCrane is go-containerregistry's command line.
func testCrane(t *testing.T, h clientHome) {
	crane := built(t, "crane")
	if out, errs, err := h.try(crane, "ls", h.registry("team/crane")); err == nil {
		t.Errorf("without a sign-in: %s%s", out, errs)
	}
	h.run(crane, "auth", "login", h.p.Address, "-u", "admin", "--password-stdin")
	layer, _ := h.unpackable()
	name := h.registry("team/crane")
	h.run(crane, "append", "-f", h.write("layer.tar.gz", string(layer)), "-t", name+":v1")
	dgst := strings.TrimSpace(h.run(crane, "digest", name+":v1"))
	h.run(crane, "mutate", name+":v1", "--label", "a=b", "-t", name+":v2")
	h.want(h.run(crane, "config", name+":v2"), `"a":"b"`)
	h.run(crane, "tag", name+"@"+dgst, "v3")
	h.run(crane, "copy", name+":v1", h.registry("other/copied:v1")) // mounts
	h.run(crane, "pull", name+":v2", h.at("v2.tar"))
	h.run(crane, "push", h.at("v2.tar"), h.registry("other/pushed:v2"))
	h.run(crane, "pull", "--format", "oci", name+":v1", h.at("layout"))
	h.want(h.run(crane, "export", name+":v1", "-"), "hello")
	h.run(crane, "validate", "--remote", h.registry("other/pushed:v2"))
	h.run(crane, "index", "append", "-m", name+":v1", "-m", name+":v2", "-t", name+":all")
	if got := strings.Fields(h.run(crane, "ls", name)); strings.Join(got, " ") != "all v1 v2 v3" {
		t.Errorf("tags: %q", got)
	}
	h.want(h.run(crane, "catalog", h.p.Address), "other/copied")
	h.run(crane, "delete", name+":v3")
	if out, _, err := h.try(crane, "digest", name+":v3"); err == nil {
		t.Errorf("deleted, and still there: %s", out)
	}
}

// testRegctl is regclient's command line.
func testRegctl(t *testing.T, h clientHome) {
	regctl := built(t, "regctl")
	pem, err := os.ReadFile(h.ca)
	if err != nil {
		t.Fatal(err)
	}
	h.run(regctl, "registry", "set", h.p.Address, "--cacert", string(pem))
	h.run(regctl, "registry", "login", h.p.Address, "-u", "admin", "--pass-stdin")
	writeLayout(t, h.at("layout"))
	name := h.registry("team/regctl")
	h.run(regctl, "image", "copy", "ocidir://"+h.at("layout")+":v1", name+":v1")
	h.run(regctl, "image", "copy", name+":v1", h.registry("other/regctl:v1"))
	h.want(h.run(regctl, "image", "digest", name+":v1"), "sha256:")
	h.run(regctl, "artifact", "put", "--artifact-type", "application/vnd.example.note", "--subject", name+":v1",
		"-m", "text/plain", "-f", h.write("note.txt", "a note"))
	h.want(h.run(regctl, "artifact", "list", name+":v1"), "application/vnd.example.note")
	h.run(regctl, "image", "copy", "--referrers", name+":v1", h.registry("third/regctl:v1"))
	if got := h.run(regctl, "artifact", "get", "--subject", h.registry("third/regctl:v1"), "--filter-artifact-type", "application/vnd.example.note"); got != "a note" {
		t.Errorf("the note came as %q", got)
	}
	h.run(regctl, "image", "export", name+":v1", h.at("image.tar"))
	h.run(regctl, "image", "import", name+":back", h.at("image.tar"))
	h.run(regctl, "index", "create", "--ref", name+":v1", "--ref", name+":back", name+":all")
	h.want(h.run(regctl, "tag", "ls", name), "back\nv1")
	h.want(h.run(regctl, "repo", "ls", h.p.Address), "third/regctl")
	h.run(regctl, "tag", "delete", name+":back")
	h.run(regctl, "manifest", "delete", "--referrers", "--force-tag-dereference", h.registry("third/regctl:v1"))
	if out, _, err := h.try(regctl, "manifest", "head", h.registry("third/regctl:v1")); err == nil {
		t.Errorf("deleted, and still there: %s", out)
	}
}

// testHelm pushes a chart, shows it and takes it back.
func testHelm(t *testing.T, h clientHome) {
	helm := built(t, "helm")
	h.run(helm, "registry", "login", h.p.Address, "--ca-file", h.ca, "-u", "admin", "--password-stdin")
	h.run(helm, "create", "hello")
	h.run(helm, "package", "hello")
	h.run(helm, "push", "--ca-file", h.ca, "hello-0.1.0.tgz", "oci://"+h.registry("charts"))
	h.want(h.run(helm, "show", "chart", "--ca-file", h.ca, "oci://"+h.registry("charts/hello"), "--version", "0.1.0"), "name: hello")
	h.run(helm, "pull", "--ca-file", h.ca, "oci://"+h.registry("charts/hello"), "--version", "0.1.0", "-d", h.at("out"), "--untar")
	h.run(helm, "template", "--ca-file", h.ca, "x", "oci://"+h.registry("charts/hello"))
	in, errIn := os.ReadFile(h.at("hello/values.yaml"))
	out, errOut := os.ReadFile(h.at("out/hello/values.yaml"))
	if errIn != nil || errOut != nil || !bytes.Equal(in, out) {
		t.Errorf("the chart came back otherwise: %v, %v", errIn, errOut)
	}
	h.run(helm, "registry", "logout", h.p.Address)
	if out, errs, err := h.try(helm, "pull", "--ca-file", h.ca, "oci://"+h.registry("charts/hello")); err == nil {
		t.Errorf("without a sign-in: %s%s", out, errs)
	}
}

// testOras runs the tests of oras's library, which are a module of their own.
func testOras(t *testing.T, h clientHome) {
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-timeout", "5m", "./...")
	cmd.Dir = "../../../e2e/clients/oras"
	cmd.Env = append(os.Environ(), "COVE_REGISTRY="+h.p.Address, "COVE_REGISTRY_CA="+h.ca, "COVE_REGISTRY_PASSWORD="+testPassword)
	if out := succeed(t, cmd); strings.Count(out, "--- PASS: ") < 4 {
		t.Error(out)
	}
}
