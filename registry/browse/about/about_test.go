package about_test

import (
	"strings"
	"testing"

	"cove/registry/browse/about"
)

// TestParseChart reads what Helm pushes as a chart's configuration.
func TestParseChart(t *testing.T) {
	t.Parallel()
	c, err := about.ParseChart([]byte(`{"apiVersion":"v2","name":"shop","version":"1.2.3+build","appVersion":"4.5",
		"kubeVersion":">=1.25","type":"application","deprecated":true,"keywords":["a","b"],"sources":["https://git.example.com"],
		"maintainers":[{"name":"Ada","email":"ada@example.com"}],"dependencies":[{"name":"redis","version":"^18","repository":"oci://r"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.FileName() != "shop-1.2.3+build.tgz" || !c.Deprecated || c.Maintainers[0].Email != "ada@example.com" ||
		c.Dependencies[0].Version != "^18" || len(c.Keywords) != 2 || c.KubeVersion != ">=1.25" {
		t.Errorf("%+v", c)
	}
	if _, err := about.ParseChart([]byte(`{"name":7}`)); err == nil {
		t.Error("a name that is a number is read")
	}
	for kind, is := range map[string]bool{about.ChartArchive: true, "application/tar+gzip": true, about.ChartProvenance: false} {
		if about.IsChartArchive(kind) != is {
			t.Errorf("%s is a chart's archive: %v", kind, !is)
		}
	}
}

// TestParseModel reads the configurations of both kinds of models.
func TestParseModel(t *testing.T) {
	t.Parallel()
	pack, err := about.ParseModel(about.ModelPackConfig, []byte(`{"descriptor":{"createdAt":"2025-01-01T00:00:00Z","authors":["Ada"],
		"family":"llama3","name":"llama","version":"3","licenses":["Apache-2.0"],"docURL":"https://example.com"},
		"modelfs":{"type":"layers","diffIds":[]},"config":{"architecture":"transformer","format":"safetensors","paramSize":"8b",
		"precision":"bf16","quantization":"awq","capabilities":{"inputTypes":["text"],"outputTypes":["text"],"toolUsage":true,
		"knowledgeCutoff":"2024-06-01T00:00:00Z"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if pack.Format != "safetensors" || pack.Parameters != "8b" || pack.Family != "llama3" || !pack.Tools || pack.Reasoning ||
		pack.Cutoff.Year() != 2024 || pack.CreatedAt.Year() != 2025 || pack.Docs != "https://example.com" {
		t.Errorf("ModelPack: %+v", pack)
	}
	const dockers = "application/vnd.docker.ai.model.config.v0.1+json"
	if !about.IsModelConfig(dockers) || about.IsModelConfig(about.ChartConfig) {
		t.Error("the kinds of models are not told from others")
	}
	docker, err := about.ParseModel(dockers, []byte(`{"config":{"format":"gguf","quantization":"Q4_K_M","parameters":"361.82M",
		"architecture":"llama","size":"256.35 MiB","context_size":8192,"gguf":{"llama.block_count":32,"general.name":"SmolLM2"}},
		"descriptor":{"created":"2025-04-02T00:00:00Z"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if docker.Format != "gguf" || docker.Parameters != "361.82M" || docker.Context != "8192" || len(docker.Details) != 2 ||
		docker.Details[1] != (about.Detail{Name: "llama.block_count", Value: "32"}) {
		t.Errorf("docker: %+v", docker)
	}
	for _, broken := range []string{"", "[]", `{"config":{"format":1}}`} {
		if _, err := about.ParseModel(about.ModelPackConfig, []byte(broken)); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}

// TestFileOf: a layer says which file it is by a path of its own or by the file's metadata.
func TestFileOf(t *testing.T) {
	t.Parallel()
	const metadata = `{"name":"model.safetensors","mode":420,"size":42}`
	if path, size := about.FileOf(map[string]string{
		about.ModelPath: "weights/model.safetensors", "org.cncf.model.file.metadata+json": metadata,
	}); path != "weights/model.safetensors" || size != 42 {
		t.Errorf("%q, %d", path, size)
	}
	if path, _ := about.FileOf(map[string]string{"org.cncf.model.file.metadata+json": metadata}); path != "model.safetensors" {
		t.Errorf("%q", path)
	}
	if path, size := about.FileOf(map[string]string{"org.cncf.model.file.metadata+json": strings.Repeat("[", 9)}); path != "" || size != 0 {
		t.Errorf("%q, %d", path, size)
	}
}
