{{- define "cove.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "cove.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cove.labels" -}}
{{ include "cove.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "cove.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "cove.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "cove.scheme" -}}
{{ if .Values.tls.secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- define "cove.check" -}}
{{- if not (or .Values.database.url .Values.database.existingSecret) }}{{ fail "database: give url, or existingSecret with the URL of a PostgreSQL" }}{{ end }}
{{- if not .Values.s3.bucket }}{{ fail "s3: give the bucket that holds the images" }}{{ end }}
{{- if and .Values.s3.accessKeyId (not .Values.s3.secretAccessKey) }}{{ fail "s3: accessKeyId has no secretAccessKey" }}{{ end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}{{ fail "ingress: give its host" }}{{ end }}
{{- if and .Values.ingress.enabled .Values.tls.secretName }}{{ fail "ingress: it ends TLS, and the servers have a certificate of their own; leave one of them out" }}{{ end }}
{{- end }}

{{- define "cove.config" -}}
{{- $s3 := dict "bucket" .Values.s3.bucket "region" .Values.s3.region }}
{{- with .Values.s3.endpoint }}{{ $_ := set $s3 "endpoint" . }}{{ end }}
{{- with .Values.s3.prefix }}{{ $_ := set $s3 "prefix" . }}{{ end }}
{{- if .Values.s3.virtualHosts }}{{ $_ := set $s3 "virtual_hosts" true }}{{ end }}
{{- if .Values.s3.redirect }}{{ $_ := set $s3 "redirect" true }}{{ end }}
{{- if .Values.s3.caSecret }}{{ $_ := set $s3 "ca" "/etc/cove/s3-ca/ca.crt" }}{{ end }}
{{- $tls := dict "off" true }}
{{- if .Values.tls.secretName }}{{ $tls = dict "certificate" "/etc/cove/tls/tls.crt" "key" "/etc/cove/tls/tls.key" }}{{ end }}
{{- $url := .Values.externalUrl }}
{{- if and (not $url) .Values.ingress.enabled }}{{ $url = printf "https://%s" .Values.ingress.host }}{{ end }}
{{- $own := dict "root" "/var/lib/cove-registry" "listen" ":5000" "storage" (dict "s3" $s3) "tls" $tls "log" (dict "format" "json") }}
{{- with $url }}{{ $_ := set $own "external_url" . }}{{ end }}
{{- with .Values.trustedProxies }}{{ $_ := set $own "trusted_proxies" . }}{{ end }}
{{- toYaml (mergeOverwrite $own (deepCopy .Values.config)) }}
{{- end }}
