// Package shape has the JSON objects of Harbor's API v2.0, as its description (swagger.yaml)
// names them. Fields that mean nothing here are left out; times are in UTC.
package shape

import "time"

// Problem is one error of an answer.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Problems is the body of an answer that is none.
type Problems struct {
	Errors []Problem `json:"errors"`
}

// Health is how the parts of a registry do.
type Health struct {
	Status     string      `json:"status"`
	Components []Component `json:"components"`
}

// Component is one part.
type Component struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
}

// System is what anyone may know of a registry.
type System struct {
	AuthMode                string `json:"auth_mode"`
	PrimaryAuthMode         bool   `json:"primary_auth_mode"`
	HarborVersion           string `json:"harbor_version,omitempty"`
	RegistryURL             string `json:"registry_url,omitempty"`
	ExternalURL             string `json:"external_url,omitempty"`
	ProjectCreation         string `json:"project_creation_restriction,omitempty"`
	SelfRegistration        bool   `json:"self_registration"`
	HasCARoot               bool   `json:"has_ca_root"`
	ReadOnly                bool   `json:"read_only"`
	BannerMessage           string `json:"banner_message,omitempty"`
	NotificationEnable      bool   `json:"notification_enable"`
	RegistryStorageProvider string `json:"registry_storage_provider_name,omitempty"`
}

// Setting is one of the registry.
type Setting struct {
	Value    any  `json:"value"`
	Editable bool `json:"editable"`
}

// Statistics counts what the caller may see.
type Statistics struct {
	PrivateProjects     int64 `json:"private_project_count"`
	PublicProjects      int64 `json:"public_project_count"`
	TotalProjects       int64 `json:"total_project_count"`
	PrivateRepositories int64 `json:"private_repo_count"`
	PublicRepositories  int64 `json:"public_repo_count"`
	TotalRepositories   int64 `json:"total_repo_count"`
}

// User is an account of a person.
type User struct {
	ID       int64     `json:"user_id"`
	Name     string    `json:"username"`
	Admin    bool      `json:"sysadmin_flag"`
	InGroup  bool      `json:"admin_role_in_auth"`
	Created  time.Time `json:"creation_time"`
	Updated  time.Time `json:"update_time"`
	Realname string    `json:"realname,omitempty"`
	Email    string    `json:"email,omitempty"`
	Comment  string    `json:"comment,omitempty"`
}

// UserRequest is a user to be made, or what is to be another of one. Some clients send all
// of it whatever they change; each path takes what it is about.
type UserRequest struct {
	Name     string  `json:"username"`
	Password string  `json:"password"`
	Email    *string `json:"email"`
	Realname *string `json:"realname"`
	Comment  *string `json:"comment"`
	Flag     *bool   `json:"sysadmin_flag"`
	Old      string  `json:"old_password"`
	New      string  `json:"new_password"`
	Secret   string  `json:"secret"` // of Harbor's command line, for people of a provider
	ID       any     `json:"user_id"`
	InGroup  any     `json:"admin_role_in_auth"`
	Created  any     `json:"creation_time"`
	Updated  any     `json:"update_time"`
}

// Metadata are settings of a project; Harbor's are texts.
type Metadata map[string]string

// Project is a project.
type Project struct {
	ID           int64     `json:"project_id"`
	Name         string    `json:"name"`
	OwnerName    string    `json:"owner_name,omitempty"`
	Created      time.Time `json:"creation_time"`
	Updated      time.Time `json:"update_time"`
	Deleted      bool      `json:"deleted"`
	Repositories int64     `json:"repo_count"`
	Role         int64     `json:"current_user_role_id"`
	Roles        []int64   `json:"current_user_role_ids"`
	Metadata     Metadata  `json:"metadata"`
	// RegistryID is of the registry that a proxy project shows, in the answer about one project.
	RegistryID int64 `json:"registry_id,omitempty"`
	// Allowlist is in the answer about one project.
	Allowlist *Allowlist `json:"cve_allowlist,omitempty"`
}

// ProjectRequest is a project to be made or changed.
type ProjectRequest struct {
	Name         string     `json:"project_name"`
	Public       *bool      `json:"public"`
	Metadata     Metadata   `json:"metadata"`
	StorageLimit *int64     `json:"storage_limit"`
	RegistryID   *int64     `json:"registry_id"`
	Allowlist    *Allowlist `json:"cve_allowlist"`
}

// Allowlist are vulnerabilities that a project lets through.
type Allowlist struct {
	ID        int64        `json:"id"`
	ProjectID int64        `json:"project_id"`
	Items     []AllowedCVE `json:"items"`
	Expires   *int64       `json:"expires_at"` // in seconds; null is never
	Created   any          `json:"creation_time,omitempty"`
	Updated   any          `json:"update_time,omitempty"`
}

// AllowedCVE is one of them.
type AllowedCVE struct {
	ID string `json:"cve_id"`
}

// Deletable says whether a project can be removed.
type Deletable struct {
	Deletable bool   `json:"deletable"`
	Message   string `json:"message,omitempty"`
}

// Summary counts what is in a project.
type Summary struct {
	Repositories  int64 `json:"repo_count"`
	Admins        int64 `json:"project_admin_count"`
	Maintainers   int64 `json:"maintainer_count"`
	Developers    int64 `json:"developer_count"`
	Guests        int64 `json:"guest_count"`
	LimitedGuests int64 `json:"limited_guest_count"`
	// Quota is for who may see it.
	Quota *SummaryQuota `json:"quota,omitempty"`
}

// Repository is a repository.
type Repository struct {
	ID        int64     `json:"id"`
	ProjectID int64     `json:"project_id"`
	Name      string    `json:"name"` // with its project
	Artifacts int64     `json:"artifact_count"`
	Created   time.Time `json:"creation_time"`
	Updated   time.Time `json:"update_time"`
	// Description is in Markdown, or "".
	Description string `json:"description"`
}

// RepositoryChange is a repository as clients send it that change one: what they were told
// of it, of which the description alone can be another.
type RepositoryChange struct {
	ID          int64     `json:"id"`
	ProjectID   int64     `json:"project_id"`
	Name        string    `json:"name"`
	Artifacts   int64     `json:"artifact_count"`
	Pulls       int64     `json:"pull_count"`
	Created     time.Time `json:"creation_time"`
	Updated     time.Time `json:"update_time"`
	Description *string   `json:"description"`
}

// Artifact is what a manifest describes.
type Artifact struct {
	ID           int64             `json:"id"`
	Type         string            `json:"type"`
	MediaType    string            `json:"media_type"`
	ManifestType string            `json:"manifest_media_type"`
	ArtifactType string            `json:"artifact_type,omitempty"`
	ProjectID    int64             `json:"project_id"`
	RepositoryID int64             `json:"repository_id"`
	Repository   string            `json:"repository_name"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Pushed       time.Time         `json:"push_time"`
	Pulled       *time.Time        `json:"pull_time,omitempty"`
	Tags         []Tag             `json:"tags"`
	References   []Reference       `json:"references,omitempty"`
	Accessories  []Accessory       `json:"accessories,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Labels       []Label           `json:"labels"`
	Scans        Overview          `json:"scan_overview,omitempty"`
}

// Reference is a manifest that an index lists.
type Reference struct {
	ChildDigest string   `json:"child_digest"`
	Platform    Platform `json:"platform"`
}

// Platform is of which one it is.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// Accessory is an artifact that refers to another.
type Accessory struct {
	ID            int64  `json:"id"`
	ArtifactID    int64  `json:"artifact_id"`
	Digest        string `json:"digest"`
	Type          string `json:"type"`
	Size          int64  `json:"size"`
	SubjectID     int64  `json:"subject_artifact_id"`
	SubjectDigest string `json:"subject_artifact_digest"`
	SubjectRepo   string `json:"subject_artifact_repo"`
}

// Tag is a tag.
type Tag struct {
	ID           int64     `json:"id"`
	ArtifactID   int64     `json:"artifact_id"`
	RepositoryID int64     `json:"repository_id"`
	Name         string    `json:"name"`
	Pushed       time.Time `json:"push_time"`
	Immutable    bool      `json:"immutable"`
}

// Label is a name with a colour that people put on artifacts. One that is put on an artifact
// is named by its number; what else a sender has of it is read and left alone.
type Label struct {
	ID          int64      `json:"id"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Color       string     `json:"color"`
	Scope       string     `json:"scope"` // "g" of all projects, "p" of one
	ProjectID   int64      `json:"project_id"`
	Created     *time.Time `json:"creation_time,omitempty"`
	Updated     *time.Time `json:"update_time,omitempty"`
	Deleted     *bool      `json:"deleted,omitempty"` // that clients send; none here is
}

// NewTag is a tag to be made.
type NewTag struct {
	Name string `json:"name"`
}

// Step is a line of an image's history, as the addition build_history has it.
type Step struct {
	Created   *time.Time `json:"created,omitempty"`
	CreatedBy string     `json:"created_by,omitempty"`
	Comment   string     `json:"comment,omitempty"`
	Empty     bool       `json:"empty_layer,omitempty"`
}

// Member is a user or a group of a project.
type Member struct {
	ID         int64  `json:"id"`
	ProjectID  int64  `json:"project_id"`
	EntityID   int64  `json:"entity_id"`
	EntityName string `json:"entity_name"`
	EntityType string `json:"entity_type"` // "u" or "g"
	Role       int64  `json:"role_id"`
	RoleName   string `json:"role_name"`
}

// MemberRequest is one to be made, or its new role.
type MemberRequest struct {
	Role  int64        `json:"role_id"`
	User  *MemberUser  `json:"member_user"`
	Group *MemberGroup `json:"member_group"`
}

// MemberUser names a user.
type MemberUser struct {
	ID   int64  `json:"user_id"`
	Name string `json:"username"`
}

// MemberGroup names a group.
type MemberGroup struct {
	ID   int64  `json:"id"`
	Name string `json:"group_name"`
	Type int64  `json:"group_type"`
	DN   string `json:"ldap_group_dn"`
}

// Robot is an account of a program.
type Robot struct {
	ID          int64        `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Secret      string       `json:"secret,omitempty"`
	Level       string       `json:"level"` // system or project
	Duration    int64        `json:"duration"`
	Expires     int64        `json:"expires_at"` // in seconds; -1 is never
	Editable    bool         `json:"editable"`
	Disable     bool         `json:"disable"`
	Created     time.Time    `json:"creation_time"`
	Updated     time.Time    `json:"update_time"`
	Permissions []Permission `json:"permissions"`
}

// Permission is what a robot may, and where.
type Permission struct {
	Kind      string   `json:"kind"`      // project or system
	Namespace string   `json:"namespace"` // a project, "*" or "/"
	Access    []Access `json:"access"`
}

// Access is one right.
type Access struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
	Effect   string `json:"effect,omitempty"`
}

// RobotRequest is a robot to be made or changed.
type RobotRequest struct {
	ID          int64        `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Secret      string       `json:"secret"`
	Level       string       `json:"level"`
	Disable     bool         `json:"disable"`
	Duration    int64        `json:"duration"`
	Permissions []Permission `json:"permissions"`
	Editable    *bool        `json:"editable"`
	Expires     *int64       `json:"expires_at"`
	Created     any          `json:"creation_time"`
	Updated     any          `json:"update_time"`
	CreatorType any          `json:"creator_type"`
	CreatorRef  any          `json:"creator_ref"`
}

// RobotMade is a robot that was made; the secret is shown once.
type RobotMade struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Secret  string    `json:"secret"`
	Created time.Time `json:"creation_time"`
	Expires int64     `json:"expires_at"`
}

// Secret is a secret that was given or is to be made up.
type Secret struct {
	Secret string `json:"secret"`
}

// Immutable is a rule by which tags stay where they are.
type Immutable struct {
	ID        int64                 `json:"id"`
	Priority  int64                 `json:"priority"`
	Disabled  bool                  `json:"disabled"`
	Action    string                `json:"action"`
	Template  string                `json:"template"`
	Params    map[string]any        `json:"params,omitempty"`
	Tags      []Selector            `json:"tag_selectors"`
	Selectors map[string][]Selector `json:"scope_selectors"`
	// Scope is what clients share with policies of retention and leave empty: the path
	// says of which project a rule is.
	Scope any `json:"scope,omitempty"`
}

// Selector chooses tags or repositories.
type Selector struct {
	Kind       string `json:"kind"`
	Decoration string `json:"decoration"`
	Pattern    string `json:"pattern"`
	Extras     string `json:"extras,omitempty"`
}

// Line is a line of the audit log.
type Line struct {
	ID           int64     `json:"id"`
	Username     string    `json:"username"`
	Resource     string    `json:"resource"`
	ResourceType string    `json:"resource_type"`
	Operation    string    `json:"operation"`
	At           time.Time `json:"op_time"`
}

// Found is what a search found.
type Found struct {
	Projects     []Project         `json:"project"`
	Repositories []FoundRepository `json:"repository"`
}

// FoundRepository is a repository that a search found.
type FoundRepository struct {
	Name      string `json:"repository_name"`
	Project   string `json:"project_name"`
	ProjectID int64  `json:"project_id"`
	Public    bool   `json:"project_public"`
	Artifacts int64  `json:"artifact_count"`
}
