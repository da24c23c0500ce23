package shape

import "time"

// Resources are what quotas speak of; -1 is no limit.
type Resources struct {
	Storage int64 `json:"storage"`
}

// Quota is that of a project.
type Quota struct {
	ID      int64     `json:"id"`
	Ref     QuotaRef  `json:"ref"`
	Hard    Resources `json:"hard"`
	Used    Resources `json:"used"`
	Created time.Time `json:"creation_time"`
	Updated time.Time `json:"update_time"`
}

// QuotaRef is what a quota is about.
type QuotaRef struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	OwnerName string `json:"owner_name"`
}

// QuotaRequest sets one.
type QuotaRequest struct {
	Hard *struct {
		Storage *int64 `json:"storage"`
	} `json:"hard"`
}

// SummaryQuota is a quota in the summary of a project.
type SummaryQuota struct {
	Hard Resources `json:"hard"`
	Used Resources `json:"used"`
}

// Target is who receives what a webhook tells.
type Target struct {
	Type       string  `json:"type"`
	Address    string  `json:"address"`
	AuthHeader *string `json:"auth_header,omitempty"`
	SkipVerify bool    `json:"skip_cert_verify"`
	Format     string  `json:"payload_format,omitempty"`
}

// Webhook is a policy of webhooks, as Harbor calls it.
type Webhook struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	ProjectID   int64     `json:"project_id"`
	Targets     []Target  `json:"targets"`
	Events      []string  `json:"event_types"`
	Creator     string    `json:"creator"`
	Created     time.Time `json:"creation_time"`
	Updated     time.Time `json:"update_time"`
	Enabled     bool      `json:"enabled"`
}

// WebhookRequest is what one is to be. Of an answer that is sent back, what nobody sets is
// taken and left alone.
type WebhookRequest struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Targets     []Target `json:"targets"`
	Events      []string `json:"event_types"`
	Enabled     *bool    `json:"enabled"`
	ID          any      `json:"id"`
	ProjectID   any      `json:"project_id"`
	Creator     any      `json:"creator"`
	Created     any      `json:"creation_time"`
	Updated     any      `json:"update_time"`
}

// HookEvents are what webhooks tell of, and to whom.
type HookEvents struct {
	Events  []string        `json:"event_type"`
	Targets []string        `json:"notify_type"`
	Formats []TargetFormats `json:"payload_formats"`
}

// TargetFormats are the shapes in which a kind of target is told.
type TargetFormats struct {
	Type    string   `json:"notify_type"`
	Formats []string `json:"formats"`
}
