package about

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The media types of a model's configuration: of the CNCF's ModelPack, and of docker.
const (
	ModelPackConfig = "application/vnd.cncf.model.config.v1+json"
	dockerModel     = "application/vnd.docker.ai.model.config." // v0.1+json and later
)

// IsModelConfig says that a configuration of a media type is that of a model.
func IsModelConfig(mediaType string) bool {
	return mediaType == ModelPackConfig || strings.HasPrefix(mediaType, dockerModel)
}

// The annotations by which a model's layer says which file it is.
const (
	ModelPath     = "org.cncf.model.filepath"
	modelMetadata = "org.cncf.model.file.metadata+json"
)

// Model is what the configuration of a model says. What it does not say is empty.
type Model struct {
	Name, Family, Version, Title, Description, Vendor, Revision string
	Authors, Licenses                                           []string
	Docs, Source                                                string // URLs
	Datasets                                                    []string
	CreatedAt                                                   time.Time

	Format, Architecture, Parameters, Precision, Quantization string
	Size, Context                                             string
	Inputs, Outputs, Languages                                []string
	Reasoning, Tools                                          bool
	Cutoff                                                    time.Time // of what it knows
	Details                                                   []Detail  // as the file itself has them, by name
}

// Detail is a name with a value.
type Detail struct{ Name, Value string }

// modelPack is the configuration of ModelPack (model-spec docs/config.md).
type modelPack struct {
	Descriptor struct {
		CreatedAt   *time.Time `json:"createdAt"`
		Authors     []string   `json:"authors"`
		Family      string     `json:"family"`
		Name        string     `json:"name"`
		DocURL      string     `json:"docURL"`
		SourceURL   string     `json:"sourceURL"`
		DatasetsURL []string   `json:"datasetsURL"`
		Version     string     `json:"version"`
		Revision    string     `json:"revision"`
		Vendor      string     `json:"vendor"`
		Licenses    []string   `json:"licenses"`
		Title       string     `json:"title"`
		Description string     `json:"description"`
	} `json:"descriptor"`
	Config struct {
		Architecture string `json:"architecture"`
		Format       string `json:"format"`
		ParamSize    string `json:"paramSize"`
		Precision    string `json:"precision"`
		Quantization string `json:"quantization"`
		Capabilities struct {
			InputTypes      []string   `json:"inputTypes"`
			OutputTypes     []string   `json:"outputTypes"`
			Languages       []string   `json:"languages"`
			KnowledgeCutoff *time.Time `json:"knowledgeCutoff"`
			Reasoning       bool       `json:"reasoning"`
			ToolUsage       bool       `json:"toolUsage"`
		} `json:"capabilities"`
	} `json:"config"`
}

// dockerConfig is the configuration of docker's models.
type dockerConfig struct {
	Descriptor struct {
		Created *time.Time `json:"created"`
	} `json:"descriptor"`
	Config struct {
		Format       string         `json:"format"`
		Quantization string         `json:"quantization"`
		Parameters   string         `json:"parameters"`
		Architecture string         `json:"architecture"`
		Size         string         `json:"size"`
		Context      *int64         `json:"context_size"`
		GGUF         map[string]any `json:"gguf"`
		Safetensors  map[string]any `json:"safetensors"`
	} `json:"config"`
}

// ParseModel reads the configuration of a model of either kind.
func ParseModel(mediaType string, config []byte) (Model, error) {
	if mediaType == ModelPackConfig {
		var doc modelPack
		err := json.Unmarshal(config, &doc)
		return doc.model(), err
	}
	var doc dockerConfig
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber() // as they stand there
	err := d.Decode(&doc)
	return doc.model(), err
}

func (p modelPack) model() Model {
	d, c := p.Descriptor, p.Config
	m := Model{
		Name: d.Name, Family: d.Family, Version: d.Version, Title: d.Title, Description: d.Description,
		Vendor: d.Vendor, Revision: d.Revision, Authors: d.Authors, Licenses: d.Licenses, Docs: d.DocURL,
		Source: d.SourceURL, Datasets: d.DatasetsURL,
		Format: c.Format, Architecture: c.Architecture, Parameters: c.ParamSize, Precision: c.Precision,
		Quantization: c.Quantization, Inputs: c.Capabilities.InputTypes, Outputs: c.Capabilities.OutputTypes,
		Languages: c.Capabilities.Languages, Reasoning: c.Capabilities.Reasoning, Tools: c.Capabilities.ToolUsage,
	}
	if d.CreatedAt != nil {
		m.CreatedAt = *d.CreatedAt
	}
	if c.Capabilities.KnowledgeCutoff != nil {
		m.Cutoff = *c.Capabilities.KnowledgeCutoff
	}
	return m
}

func (d dockerConfig) model() Model {
	c := d.Config
	m := Model{
		Format: c.Format, Architecture: c.Architecture, Parameters: c.Parameters, Quantization: c.Quantization,
		Size: c.Size,
	}
	if d.Descriptor.Created != nil {
		m.CreatedAt = *d.Descriptor.Created
	}
	if c.Context != nil {
		m.Context = strconv.FormatInt(*c.Context, 10)
	}
	for _, details := range []map[string]any{c.GGUF, c.Safetensors} {
		for _, name := range slices.Sorted(maps.Keys(details)) {
			m.Details = append(m.Details, Detail{name, fmt.Sprint(details[name])})
		}
	}
	return m
}

// FileOf is the path of the file that a model's layer is, and its size once it is
// unpacked; "" and 0 where the layer does not say.
func FileOf(annotations map[string]string) (path string, size int64) {
	var about struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
	}
	if json.Unmarshal([]byte(annotations[modelMetadata]), &about) != nil {
		about.Size = 0
	}
	if path = annotations[ModelPath]; path == "" {
		path = about.Name
	}
	return path, max(0, about.Size)
}
