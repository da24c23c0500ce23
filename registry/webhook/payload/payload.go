// Package payload is what webhooks send: the shapes of Harbor's notifications, so that
// receivers of those need no change, and texts for chats.
package payload

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
)

// Type is what happened, by the name that Harbor gives it.
type Type string

// The types.
const (
	PushArtifact      Type = "PUSH_ARTIFACT"
	PullArtifact      Type = "PULL_ARTIFACT"
	DeleteArtifact    Type = "DELETE_ARTIFACT"
	QuotaExceed       Type = "QUOTA_EXCEED"
	QuotaWarning      Type = "QUOTA_WARNING"
	Replicated        Type = "REPLICATION"
	TagRetention      Type = "TAG_RETENTION"
	ScanningCompleted Type = "SCANNING_COMPLETED"
	ScanningFailed    Type = "SCANNING_FAILED"
	ScanningStopped   Type = "SCANNING_STOPPED"
)

// kinds has what each type is called in CloudEvents, and in a sentence.
var kinds = []struct {
	Type
	cloud, text string
}{
	{PushArtifact, "harbor.artifact.pushed", "was pushed"},
	{PullArtifact, "harbor.artifact.pulled", "was pulled"},
	{DeleteArtifact, "harbor.artifact.deleted", "was deleted"},
	{QuotaExceed, "harbor.quota.exceeded", "exceeds the quota of its project"},
	{QuotaWarning, "harbor.quota.warned", "comes near the quota of its project"},
	{Replicated, "harbor.replication.status.changed", "was replicated"},
	{TagRetention, "harbor.tag_retention.finished", "was looked at by the rules of retention"},
	{ScanningCompleted, "harbor.scan.completed", "was scanned"},
	{ScanningFailed, "harbor.scan.failed", "could not be scanned"},
	{ScanningStopped, "harbor.scan.stopped", "was not scanned to its end"},
}

// Types lists all types.
func Types() []Type {
	all := make([]Type, len(kinds))
	for i, k := range kinds {
		all[i] = k.Type
	}
	return all
}

// ParseType reads a type, in capitals or not, or is errdefs.ErrInvalid.
func ParseType(text string) (Type, error) {
	t := Type(strings.ToUpper(text))
	if !slices.Contains(Types(), t) {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "event %q is none of %v", text, Types())
	}
	return t, nil
}

// Event is something that happened in a project, as it waits to be sent.
type Event struct {
	ID       string    `json:"id"`      // of this event at this webhook: a UUID
	Request  string    `json:"request"` // the same for all webhooks that hear of it
	Type     Type      `json:"type"`
	At       time.Time `json:"at"`
	Operator string    `json:"operator"`
	Project  int64     `json:"project"` // its id
	Data     Data      `json:"data"`
}

// Data is what an event is about, in Harbor's shape.
type Data struct {
	Resources   []Resource        `json:"resources,omitempty"`
	Repository  *Repository       `json:"repository,omitempty"`
	Replication *Replication      `json:"replication,omitempty"`
	Retention   *Retention        `json:"retention,omitempty"`
	Custom      map[string]string `json:"custom_attributes,omitempty"`
}

// Resource is an artifact. Tag is the digest of one without a tag.
type Resource struct {
	Digest      string         `json:"digest,omitempty"`
	Tag         string         `json:"tag"`
	ResourceURL string         `json:"resource_url,omitempty"`
	Scan        map[string]any `json:"scan_overview,omitempty"`
}

// Repository is where it is. Created is in seconds since 1970.
type Repository struct {
	Created   int64  `json:"date_created,omitempty"`
	Name      string `json:"name"` // within the project
	Namespace string `json:"namespace"`
	FullName  string `json:"repo_full_name"`
	Type      string `json:"repo_type"` // "public" or "private"
}

// Replication is what came of a copy between registries.
type Replication struct {
	Hostname    string      `json:"harbor_hostname,omitempty"`
	Status      string      `json:"job_status,omitempty"`
	Description string      `json:"description,omitempty"`
	Artifact    string      `json:"artifact_type,omitempty"`
	Auth        string      `json:"authentication_type,omitempty"`
	Override    bool        `json:"override_mode,omitempty"`
	Trigger     string      `json:"trigger_type,omitempty"`
	Creator     string      `json:"policy_creator,omitempty"`
	StartedAt   int64       `json:"execution_timestamp,omitempty"`
	Source      *End        `json:"src_resource,omitempty"`
	Target      *End        `json:"dest_resource,omitempty"`
	Succeeded   []*Artifact `json:"successful_artifact,omitempty"`
	Failed      []*Artifact `json:"failed_artifact,omitempty"`
}

// End is one side of a replication.
type End struct {
	Name      string `json:"registry_name,omitempty"`
	Type      string `json:"registry_type"`
	Endpoint  string `json:"endpoint"`
	Provider  string `json:"provider,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// Artifact is one that was replicated, or deleted by retention.
type Artifact struct {
	Type       string `json:"type"`
	Status     string `json:"status"`
	NameAndTag string `json:"name_tag"`
	Reason     string `json:"fail_reason,omitempty"`
}

// Retention is what came of the rules of retention of a project.
type Retention struct {
	Total    int         `json:"total"`
	Retained int         `json:"retained"`
	Hostname string      `json:"harbor_hostname,omitempty"`
	Project  string      `json:"project_name,omitempty"`
	Policy   int64       `json:"retention_policy_id,omitempty"`
	Rules    []any       `json:"retention_rule,omitempty"`
	Status   string      `json:"result,omitempty"`
	Deleted  []*Artifact `json:"deleted_artifact,omitempty"`
}

// located has the address of each resource at the registry's host.
func (d Data) located(host string) Data {
	if d.Repository == nil || host == "" {
		return d
	}
	d.Resources = slices.Clone(d.Resources)
	for i := range d.Resources {
		r := &d.Resources[i]
		separator := ":"
		if r.Tag == r.Digest {
			separator = "@"
		}
		r.ResourceURL = host + "/" + d.Repository.FullName + separator + r.Tag
	}
	return d
}

// text is an event in a sentence: what, that it happened, and by whom.
func (e Event) text() string {
	what := "project " + e.Data.project()
	if e.Data.Repository != nil {
		what = e.Data.Repository.FullName
	}
	var names []string
	for _, r := range e.Data.Resources {
		if r.ResourceURL != "" {
			names = append(names, r.ResourceURL)
		}
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	if len(names) > 0 {
		what = strings.Join(names, ", ")
	}
	text := what
	for _, k := range kinds {
		if k.Type == e.Type {
			text += " " + k.text
		}
	}
	if e.Operator != "" {
		text += " by " + e.Operator
	}
	if details := e.Data.Custom[Details]; details != "" {
		text += ": " + details
	}
	return text
}

// Details is the key of the custom attributes that says more in a sentence, as Harbor
// has it of quotas.
const Details = "Details"

func (d Data) project() string {
	switch {
	case d.Retention != nil && d.Retention.Project != "":
		return d.Retention.Project
	case d.Repository != nil:
		return d.Repository.Namespace
	case d.Replication != nil && d.Replication.Source != nil:
		return d.Replication.Source.Namespace
	}
	return "of this webhook"
}
