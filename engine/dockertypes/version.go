package dockertypes

// The versions of docker's API whose shapes these are, the newest and the oldest.
const (
	APIVersion    = "1.51"
	MinAPIVersion = "1.24"
)

// Version is what `docker version` prints as JSON.
type Version struct {
	Client ClientVersion
	Server *ServerVersion
}

// ClientVersion is that of a command line.
type ClientVersion struct {
	Platform          Platform
	Version           string
	APIVersion        string `json:"ApiVersion"`
	DefaultAPIVersion string
	GitCommit         string
	GoVersion         string
	Os                string
	Arch              string
	BuildTime         string `json:",omitempty"`
	Context           string
}

// ServerVersion is that of an engine, as its API tells it.
type ServerVersion struct {
	Platform      Platform
	Components    []Component
	Version       string
	APIVersion    string `json:"ApiVersion"`
	MinAPIVersion string
	GitCommit     string
	GoVersion     string
	Os            string
	Arch          string
	KernelVersion string
	BuildTime     string `json:",omitempty"`
}

// Platform names a product.
type Platform struct{ Name string }

// Component is one part of an engine.
type Component struct {
	Name    string
	Version string
	Details map[string]string
}
