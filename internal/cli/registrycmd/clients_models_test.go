package registrycmd

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testModels packages models in both forms that docker's client knows, pushes them, and takes
// them back into another store.
func testModels(t *testing.T, h clientHome) {
	mdltool := filepath.Join(t.TempDir(), "mdltool")
	in(t, "model", "go", "build", "-o", mdltool, "github.com/docker/model-runner/cmd/mdltool")
	assets := filepath.Join(strings.TrimSpace(in(t, "model", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/docker/model-runner")),
		"pkg/distribution/assets")
	gguf, name := filepath.Join(assets, "dummy.gguf"), h.registry("models/small")
	if out, errs, err := h.try(mdltool, "package", "--tag", name+":gguf", gguf); err == nil {
		t.Errorf("without a sign-in: %s%s", out, errs)
	}
	h.env = append(h.env, "DOCKER_USERNAME=admin", "DOCKER_PASSWORD="+testPassword)
	h.run(mdltool, "package", "--licenses", filepath.Join(assets, "license.txt"), "--mmproj", filepath.Join(assets, "dummy.mmproj"),
		"--chat-template", filepath.Join(assets, "template.jinja"), "--context-size", "4096", "--tag", name+":gguf", gguf)
	stored := func(path string) string { return filepath.Join(h.dir, path) }
	h.run(mdltool, "--store-path", stored("one"), "pull", name+":gguf")
	path := strings.TrimSpace(h.run(mdltool, "--store-path", stored("one"), "get-path", name+":gguf"))
	sameFile(t, gguf, path)

	h.run(mdltool, "--store-path", stored("one"), "tag", name+":gguf", h.registry("other/small:again"))
	h.run(mdltool, "--store-path", stored("one"), "push", h.registry("other/small:again"))
	h.run(mdltool, "--store-path", stored("two"), "pull", h.registry("other/small:again"))
	h.want(h.run(mdltool, "--store-path", stored("two"), "list"), "other/small:again")

	header := []byte(`{"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`)
	tensors := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	weights := h.write("hf/model.safetensors", string(append(tensors, make([]byte, 16)...)))
	h.write("hf/config.json", `{"model_type":"llama"}`)
	h.run(mdltool, "package", "--tag", name+":safetensors", filepath.Dir(weights))
	h.run(mdltool, "--store-path", stored("two"), "pull", name+":safetensors")
	bundle := h.run(mdltool, "--store-path", stored("two"), "bundle", name+":safetensors")
	found, err := filepath.Glob(filepath.Join(strings.TrimSpace(bundle), "*", "*.safetensors"))
	if err != nil || len(found) != 1 {
		t.Fatal(bundle, found, err)
	}
	sameFile(t, weights, found[0])
}

func sameFile(t *testing.T, want, got string) {
	t.Helper()
	a, errA := os.ReadFile(want)
	b, errB := os.ReadFile(got)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("%s came back otherwise as %s: %v, %v", want, got, errA, errB)
	}
}
