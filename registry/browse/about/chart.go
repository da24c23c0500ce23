package about

import "encoding/json"

// The media types of a chart, as Helm pushes it (HIP-0006).
const (
	ChartConfig     = "application/vnd.cncf.helm.config.v1+json"
	ChartArchive    = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	ChartProvenance = "application/vnd.cncf.helm.chart.provenance.v1.prov"
	// oldArchive is what Helm 3.0 to 3.6 called the archive.
	oldArchive = "application/tar+gzip"
)

// IsChartArchive says that bytes of a media type are the files of a chart.
func IsChartArchive(mediaType string) bool {
	return mediaType == ChartArchive || mediaType == oldArchive
}

// Chart is what a Helm chart's Chart.yaml says, which Helm pushes as JSON, too.
type Chart struct {
	APIVersion   string            `json:"apiVersion"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	AppVersion   string            `json:"appVersion"`
	KubeVersion  string            `json:"kubeVersion"`
	Type         string            `json:"type"`
	Description  string            `json:"description"`
	Deprecated   bool              `json:"deprecated"`
	Home         string            `json:"home"`
	Icon         string            `json:"icon"`
	Sources      []string          `json:"sources"`
	Keywords     []string          `json:"keywords"`
	Maintainers  []Maintainer      `json:"maintainers"`
	Dependencies []Dependency      `json:"dependencies"`
	Annotations  map[string]string `json:"annotations"`
}

// Maintainer is one of those whom a chart names.
type Maintainer struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	URL   string `json:"url"`
}

// Dependency is a chart that another needs.
type Dependency struct {
	Name       string `json:"name"`
	Alias      string `json:"alias"`
	Version    string `json:"version"`
	Repository string `json:"repository"`
	Condition  string `json:"condition"`
}

// ParseChart reads the configuration of a chart.
func ParseChart(config []byte) (c Chart, err error) {
	err = json.Unmarshal(config, &c)
	return c, err
}

// FileName is what Helm calls the chart's archive.
func (c Chart) FileName() string { return c.Name + "-" + c.Version + ".tgz" }
