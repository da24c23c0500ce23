package shape

import "time"

// Trigger says when a policy works.
type Trigger struct {
	Kind       string         `json:"kind"`
	References any            `json:"references,omitempty"`
	Settings   map[string]any `json:"settings"`
}

// RetentionScope is what a policy of retention is about.
type RetentionScope struct {
	Level string `json:"level"`
	Ref   int64  `json:"ref"`
}

// RetentionRule keeps artifacts.
type RetentionRule struct {
	ID        int64                 `json:"id,omitempty"`
	Priority  int64                 `json:"priority,omitempty"`
	Disabled  bool                  `json:"disabled,omitempty"`
	Action    string                `json:"action"`
	Template  string                `json:"template"`
	Params    map[string]any        `json:"params"`
	Tags      []Selector            `json:"tag_selectors"`
	Selectors map[string][]Selector `json:"scope_selectors"`
}

// Retention is all that a project says of it.
type Retention struct {
	ID        int64           `json:"id,omitempty"`
	Algorithm string          `json:"algorithm"`
	Rules     []RetentionRule `json:"rules"`
	Trigger   *Trigger        `json:"trigger"`
	Scope     *RetentionScope `json:"scope"`
}

// RetentionStart begins a run.
type RetentionStart struct {
	DryRun bool `json:"dry_run"`
}

// Action is what is to happen to a run.
type Action struct {
	Action string `json:"action"`
}

// RetentionRun is a run.
type RetentionRun struct {
	ID       int64  `json:"id"`
	PolicyID int64  `json:"policy_id"`
	Start    string `json:"start_time,omitempty"`
	End      string `json:"end_time,omitempty"`
	Status   string `json:"status"`
	Trigger  string `json:"trigger"`
	DryRun   bool   `json:"dry_run"`
}

// RetentionTask is what a run does; here it is one, for all repositories of the project.
type RetentionTask struct {
	ID          int64  `json:"id"`
	ExecutionID int64  `json:"execution_id"`
	Repository  string `json:"repository"`
	JobID       string `json:"job_id"`
	Status      string `json:"status"`
	StatusCode  int64  `json:"status_code"`
	Start       string `json:"start_time,omitempty"`
	End         string `json:"end_time,omitempty"`
	Total       int64  `json:"total"`
	Retained    int64  `json:"retained"`
}

// RetentionTerms are the words of which rules are made.
type RetentionTerms struct {
	Templates []RetentionTemplate `json:"templates"`
	Scopes    []SelectorTerms     `json:"scope_selectors"`
	Tags      []SelectorTerms     `json:"tag_selectors"`
}

// RetentionTemplate is what a rule can keep.
type RetentionTemplate struct {
	Template string           `json:"rule_template"`
	Text     string           `json:"display_text"`
	Action   string           `json:"action"`
	Params   []RetentionParam `json:"params"`
}

// RetentionParam is a number that a template takes.
type RetentionParam struct {
	Type     string `json:"type"`
	Unit     string `json:"unit"`
	Required bool   `json:"required"`
}

// SelectorTerms are the words of selectors.
type SelectorTerms struct {
	Text        string   `json:"display_text"`
	Kind        string   `json:"kind"`
	Decorations []string `json:"decorations"`
}

// Endpoint is another registry.
type Endpoint struct {
	ID          int64       `json:"id"`
	Name        string      `json:"name,omitempty"`
	Description string      `json:"description,omitempty"`
	Type        string      `json:"type,omitempty"`
	URL         string      `json:"url,omitempty"`
	Credential  *Credential `json:"credential,omitempty"`
	Insecure    bool        `json:"insecure"`
	Status      string      `json:"status,omitempty"`
	Created     *time.Time  `json:"creation_time,omitempty"`
	Updated     *time.Time  `json:"update_time,omitempty"`
	// CA has certificates to trust.
	CA string `json:"ca_certificate,omitempty"`
}

// Credential is an account at another registry. The secret is in no answer.
type Credential struct {
	Type   string `json:"type,omitempty"`
	Key    string `json:"access_key,omitempty"`
	Secret string `json:"access_secret,omitempty"`
}

// EndpointChange is what is to be another; nil is to stay.
type EndpointChange struct {
	ID          *int64      `json:"id"`
	Name        *string     `json:"name"`
	Description *string     `json:"description"`
	Type        *string     `json:"type"`
	URL         *string     `json:"url"`
	Kind        *string     `json:"credential_type"`
	Key         *string     `json:"access_key"`
	Secret      *string     `json:"access_secret"`
	Insecure    *bool       `json:"insecure"`
	CA          *string     `json:"ca_certificate"`
	Credential  *Credential `json:"credential"`
	Status      any         `json:"status"`
	Created     any         `json:"creation_time"`
	Updated     any         `json:"update_time"`
}

// EndpointInfo is what a kind of registry can.
type EndpointInfo struct {
	Type     string        `json:"type"`
	Text     string        `json:"description"`
	Filters  []FilterStyle `json:"supported_resource_filters"`
	Triggers []string      `json:"supported_triggers"`
	ByChunk  bool          `json:"supported_copy_by_chunk"`
}

// FilterStyle is how a filter is typed.
type FilterStyle struct {
	Type   string   `json:"type"`
	Style  string   `json:"style"`
	Values []string `json:"values,omitempty"`
}

// Filter chooses what a replication copies.
type Filter struct {
	Type       string `json:"type"`
	Value      any    `json:"value"`
	Decoration string `json:"decoration,omitempty"`
}

// ReplicationTrigger says when a policy of replication works.
type ReplicationTrigger struct {
	Type     string              `json:"type"`
	Settings ReplicationSettings `json:"trigger_settings"`
}

// ReplicationSettings are those of a trigger.
type ReplicationSettings struct {
	Cron string `json:"cron"`
}

// Replication is a policy of replication. In a request, what is nil is not said.
type Replication struct {
	ID          int64               `json:"id,omitempty"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Source      *Endpoint           `json:"src_registry"`
	Target      *Endpoint           `json:"dest_registry"`
	Namespace   string              `json:"dest_namespace"`
	Flatten     *int                `json:"dest_namespace_replace_count,omitempty"`
	Trigger     *ReplicationTrigger `json:"trigger"`
	Filters     []Filter            `json:"filters"`
	Delete      bool                `json:"replicate_deletion"`
	Deletion    bool                `json:"deletion"` // what Delete was called before
	Override    bool                `json:"override"`
	Enabled     bool                `json:"enabled"`
	Speed       *int64              `json:"speed,omitempty"` // in KiB/s; -1 is without a limit
	ByChunk     *bool               `json:"copy_by_chunk,omitempty"`
	Single      *bool               `json:"single_active_replication,omitempty"`
	Created     *time.Time          `json:"creation_time,omitempty"`
	Updated     *time.Time          `json:"update_time,omitempty"`
}

// ReplicationStart begins a run.
type ReplicationStart struct {
	PolicyID int64 `json:"policy_id"`
}

// ReplicationRun is a run.
type ReplicationRun struct {
	ID         int64      `json:"id"`
	PolicyID   int64      `json:"policy_id"`
	Status     string     `json:"status"`
	Text       string     `json:"status_text"`
	Trigger    string     `json:"trigger"`
	Total      int64      `json:"total"`
	Failed     int64      `json:"failed"`
	Succeed    int64      `json:"succeed"`
	InProgress int64      `json:"in_progress"`
	Stopped    int64      `json:"stopped"`
	Start      *time.Time `json:"start_time,omitempty"`
	End        *time.Time `json:"end_time,omitempty"`
}

// ReplicationTask is one tag of a run.
type ReplicationTask struct {
	ID          int64      `json:"id"`
	ExecutionID int64      `json:"execution_id"`
	JobID       string     `json:"job_id"`
	Status      string     `json:"status"`
	Operation   string     `json:"operation"`
	Resource    string     `json:"resource_type"`
	Source      string     `json:"src_resource"`
	Target      string     `json:"dst_resource"`
	Start       *time.Time `json:"start_time,omitempty"`
	End         *time.Time `json:"end_time,omitempty"`
}
