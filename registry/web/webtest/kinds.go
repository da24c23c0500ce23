package webtest

import (
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/browse/about"
)

// File is a blob of an artifact that is no image.
type File struct {
	Kind        string // media type
	Body        []byte
	Annotations map[string]string
}

// Other is an artifact that is no image.
type Other struct {
	Type        string // artifact type
	Config      File   // the empty one without a kind
	Files       []File
	Annotations map[string]string
}

// Artifact pushes an artifact that is no image under a tag.
func (s *Site) Artifact(t testing.TB, repo, tag string, o Other) ocispec.Descriptor {
	t.Helper()
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: o.Type,
		Annotations: o.Annotations,
	}
	if o.Config.Kind == "" {
		o.Config = File{Kind: ocispec.MediaTypeEmptyJSON, Body: []byte("{}")}
	}
	m.Config = s.blob(t, repo, o.Config.Kind, o.Config.Body)
	for _, f := range o.Files {
		desc := s.blob(t, repo, f.Kind, f.Body)
		desc.Annotations = f.Annotations
		m.Layers = append(m.Layers, desc)
	}
	return s.Manifest(t, repo, tag, m.MediaType, encoded(t, m))
}

// Chart pushes a Helm chart as Helm does.
func (s *Site) Chart(t testing.TB, repo, tag string) ocispec.Descriptor {
	t.Helper()
	_, archive := packed(t, map[string]string{
		"shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\n", "shop/values.yaml": "replicas: 3\nimage:\n  tag: v1\n",
		"shop/README.md": "# Shop\n\nSells **things** <script>alert(1)</script>, as [shops](https://shop.example.com) do.\n\n## Values\n\n| name | default |\n|---|---|\n| `replicas` | 3 |\n\n```sh\nhelm install shop\n```\n", "shop/templates/deployment.yaml": "kind: Deployment\n",
		"shop/charts/redis/values.yaml": "another: one\n",
	})
	return s.Artifact(t, repo, tag, Other{
		Config: File{Kind: about.ChartConfig, Body: []byte(`{"apiVersion":"v2","name":"shop","version":"1.2.3","appVersion":"4.5",
			"kubeVersion":">=1.25.0","type":"application","description":"A shop for small things","home":"https://shop.example.com",
			"sources":["https://git.example.com/shop"],"keywords":["shop","web"],"deprecated":true,
			"maintainers":[{"name":"Ada Lovelace","email":"ada@example.com"}],
			"dependencies":[{"name":"redis","version":"^18.0.0","repository":"oci://charts.example.com/redis","condition":"redis.enabled"}]}`)},
		Files: []File{
			{Kind: about.ChartArchive, Body: archive},
			{Kind: about.ChartProvenance, Body: []byte("-----BEGIN PGP SIGNED MESSAGE-----\n")},
		},
		Annotations: map[string]string{ocispec.AnnotationTitle: "shop", ocispec.AnnotationVersion: "1.2.3"},
	})
}

// Model pushes a model as ModelPack's tools do.
func (s *Site) Model(t testing.TB, repo, tag string) ocispec.Descriptor {
	t.Helper()
	return s.Artifact(t, repo, tag, Other{
		Type: "application/vnd.cncf.model.manifest.v1+json",
		Config: File{Kind: about.ModelPackConfig, Body: []byte(`{"descriptor":{"name":"small-talk","family":"talk","version":"2",
			"vendor":"Example","licenses":["Apache-2.0"],"authors":["Ada Lovelace"],"description":"Answers questions about a shop.",
			"docURL":"https://example.com/small-talk"},"modelfs":{"type":"layers","diffIds":[]},
			"config":{"architecture":"transformer","format":"safetensors","paramSize":"8b","precision":"bf16","quantization":"awq",
			"capabilities":{"inputTypes":["text","image"],"outputTypes":["text"],"toolUsage":true}}}`)},
		Files: []File{
			{
				Kind: "application/vnd.cncf.model.weight.v1.raw", Body: make([]byte, 300_000),
				Annotations: map[string]string{about.ModelPath: "weights/model.safetensors", "org.cncf.model.file.metadata+json": `{"size":300000}`},
			},
			{
				Kind: "application/vnd.cncf.model.doc.v1.raw", Body: []byte("Apache License\n"),
				Annotations: map[string]string{about.ModelPath: "LICENSE"},
			},
		},
	})
}

// DockerModel pushes a model as docker's tools do.
func (s *Site) DockerModel(t testing.TB, repo, tag string) ocispec.Descriptor {
	t.Helper()
	return s.Artifact(t, repo, tag, Other{
		Config: File{Kind: "application/vnd.docker.ai.model.config.v0.1+json", Body: []byte(`{"config":{"format":"gguf",
			"quantization":"Q4_K_M","parameters":"361.82 M","architecture":"llama","size":"256.35 MiB",
			"gguf":{"general.name":"Smol","llama.block_count":32}},"descriptor":{"created":"2025-04-02T00:00:00Z"},
			"rootfs":{"type":"rootfs","diff_ids":[]}}`)},
		Files: []File{{Kind: "application/vnd.docker.ai.gguf.v3", Body: []byte("GGUF\x03")}},
	})
}

// Generic pushes files as oras does.
func (s *Site) Generic(t testing.TB, repo, tag string) ocispec.Descriptor {
	t.Helper()
	return s.Artifact(t, repo, tag, Other{
		Type: "application/vnd.example.report", Annotations: map[string]string{"org.example.run": "4711"},
		Files: []File{
			{Kind: "text/plain", Body: []byte("all is well\n"), Annotations: map[string]string{ocispec.AnnotationTitle: "out/报告 of a long run.txt"}},
			{Kind: "application/json", Body: []byte(`{"a":1}`)},
		},
	})
}
