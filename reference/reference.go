// Package reference parses image names as people type them.
package reference
