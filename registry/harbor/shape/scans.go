package shape

import (
	"time"

	"cove/registry/scan/advisory"
)

// ScanRequest is the body of a request for a scan; none asks for vulnerabilities.
type ScanRequest struct {
	Type string `json:"scan_type"`
}

// Overview is what came of the scans of an artifact, by the media type of the report.
type Overview map[string]ScanSummary

// ScanSummary is one report in short.
type ScanSummary struct {
	ReportID string           `json:"report_id"`
	Status   string           `json:"scan_status"` // Pending, Running, Error, Success
	Severity string           `json:"severity,omitempty"`
	Duration int64            `json:"duration"` // in seconds
	Summary  advisory.Summary `json:"summary"`
	Start    time.Time        `json:"start_time"`
	End      time.Time        `json:"end_time"`
	Percent  int              `json:"complete_percent"`
	Scanner  Scanner          `json:"scanner"`
}

// Scanner is what scanned.
type Scanner struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

// Report is what a scan found.
type Report struct {
	Generated       time.Time       `json:"generated_at"`
	Scanner         Scanner         `json:"scanner"`
	Severity        string          `json:"severity"`
	Vulnerabilities []Vulnerability `json:"vulnerabilities"`
}

// Vulnerability is one of a package.
type Vulnerability struct {
	ID          string   `json:"id"`
	Package     string   `json:"package"`
	Version     string   `json:"version"`
	FixVersion  string   `json:"fix_version"`
	Severity    string   `json:"severity"`
	Description string   `json:"description"`
	Links       []string `json:"links"`
	Digests     []string `json:"artifact_digests"`
	Status      string   `json:"status,omitempty"`
}

// Group is a group of people.
type Group struct {
	ID   int64  `json:"id,omitempty"`
	Name string `json:"group_name"`
	Type int64  `json:"group_type"` // 1 LDAP, 2 HTTP, 3 OIDC
	DN   string `json:"ldap_group_dn,omitempty"`
}
