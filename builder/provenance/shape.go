package provenance

import (
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// predicateV1 is SLSA provenance v1 with what BuildKit adds to it.
type predicateV1 struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string     `json:"buildType"`
	ResolvedDependencies []resource `json:"resolvedDependencies,omitempty"`
	External             external   `json:"externalParameters"`
	Internal             internal   `json:"internalParameters"`
}

type resource struct {
	URI    string    `json:"uri,omitempty"`
	Digest digestSet `json:"digest,omitempty"`
}

type external struct {
	ConfigSource configSource `json:"configSource"`
	Request      parameters   `json:"request"`
}

type configSource struct {
	URI    string    `json:"uri,omitempty"`
	Digest digestSet `json:"digest,omitempty"`
	Path   string    `json:"path,omitempty"`
}

type parameters struct {
	Frontend string            `json:"frontend,omitempty"`
	Args     map[string]string `json:"args,omitempty"`
	Secrets  []mountID         `json:"secrets,omitempty"`
	SSH      []mountID         `json:"ssh,omitempty"`
	Locals   []localSource     `json:"locals,omitempty"`
}

type mountID struct {
	ID       string `json:"id"`
	Optional bool   `json:"optional,omitempty"`
}

type localSource struct {
	Name string `json:"name"`
}

type internal struct {
	BuildConfig     *buildConfig `json:"buildConfig,omitempty"`
	BuilderPlatform string       `json:"builderPlatform"`
}

type runDetails struct {
	Builder  builderID `json:"builder"`
	Metadata metadata  `json:"metadata"`
}

type builderID struct {
	ID string `json:"id"`
}

type metadata struct {
	InvocationID string       `json:"invocationID,omitempty"`
	StartedOn    time.Time    `json:"startedOn"`
	FinishedOn   time.Time    `json:"finishedOn"`
	BuildKit     details      `json:"buildkit_metadata"`
	Hermetic     bool         `json:"buildkit_hermetic,omitempty"`
	Completeness completeness `json:"buildkit_completeness"`
	Reproducible bool         `json:"buildkit_reproducible,omitempty"`
}

type completeness struct {
	Request      bool `json:"request"`
	Dependencies bool `json:"resolvedDependencies"`
}

// details are BuildKit's: where steps stand in the Dockerfile, and their layers.
type details struct {
	VCS    map[string]string                 `json:"vcs,omitempty"`
	Source *sources                          `json:"source,omitempty"`
	Layers map[string][][]ocispec.Descriptor `json:"layers,omitempty"`
}

type sources struct {
	Locations map[string]locations `json:"locations,omitempty"`
	Infos     []sourceInfo         `json:"infos,omitempty"`
}

type locations struct {
	Locations []location `json:"locations,omitempty"`
}

type location struct {
	Ranges []lineRange `json:"ranges,omitempty"`
}

type lineRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type position struct {
	Line int `json:"line"`
}

type sourceInfo struct {
	Filename string `json:"filename,omitempty"`
	Language string `json:"language,omitempty"`
	Data     []byte `json:"data,omitempty"`
}

// predicateV02 is SLSA provenance v0.2 with what BuildKit adds to it.
type predicateV02 struct {
	Builder     builderID    `json:"builder"`
	BuildType   string       `json:"buildType"`
	Materials   []resource   `json:"materials,omitempty"`
	Invocation  invocation   `json:"invocation"`
	BuildConfig *buildConfig `json:"buildConfig,omitempty"`
	Metadata    metadataV02  `json:"metadata"`
}

type invocation struct {
	ConfigSource configSourceV02 `json:"configSource"`
	Parameters   parameters      `json:"parameters"`
	Environment  environment     `json:"environment"`
}

type configSourceV02 struct {
	URI        string    `json:"uri,omitempty"`
	Digest     digestSet `json:"digest,omitempty"`
	EntryPoint string    `json:"entryPoint,omitempty"`
}

type environment struct {
	Platform string `json:"platform"`
}

type metadataV02 struct {
	InvocationID string          `json:"buildInvocationID,omitempty"`
	StartedOn    time.Time       `json:"buildStartedOn"`
	FinishedOn   time.Time       `json:"buildFinishedOn"`
	Completeness completenessV02 `json:"completeness"`
	Reproducible bool            `json:"reproducible"`
	BuildKit     details         `json:"https://mobyproject.org/buildkit@v1#metadata"`
	Hermetic     bool            `json:"https://mobyproject.org/buildkit@v1#hermetic,omitempty"`
}

type completenessV02 struct {
	Parameters  bool `json:"parameters"`
	Environment bool `json:"environment"`
	Materials   bool `json:"materials"`
}

// toV02 says the same in the older shape.
func (p predicateV1) toV02() predicateV02 {
	def, run := p.BuildDefinition, p.RunDetails
	return predicateV02{
		Builder: run.Builder, BuildType: buildTypeV02, Materials: def.ResolvedDependencies,
		Invocation: invocation{
			ConfigSource: configSourceV02{
				URI: def.External.ConfigSource.URI, Digest: def.External.ConfigSource.Digest,
				EntryPoint: def.External.ConfigSource.Path,
			},
			Parameters:  def.External.Request,
			Environment: environment{Platform: def.Internal.BuilderPlatform},
		},
		BuildConfig: def.Internal.BuildConfig,
		Metadata: metadataV02{
			InvocationID: run.Metadata.InvocationID, StartedOn: run.Metadata.StartedOn,
			FinishedOn: run.Metadata.FinishedOn,
			Completeness: completenessV02{
				Parameters: run.Metadata.Completeness.Request, Environment: true,
				Materials: run.Metadata.Completeness.Dependencies,
			},
			Reproducible: run.Metadata.Reproducible, BuildKit: run.Metadata.BuildKit, Hermetic: run.Metadata.Hermetic,
		},
	}
}
