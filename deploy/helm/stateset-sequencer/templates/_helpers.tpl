{{- define "sequencer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sequencer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "sequencer.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sequencer.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sequencer.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sequencer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "sequencer.labels" -}}
{{ include "sequencer.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Everything but the selector: pods of jobs must not become endpoints of the service. */}}
{{- define "sequencer.jobLabels" -}}
app.kubernetes.io/name: {{ include "sequencer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: job
{{- end -}}

{{- define "sequencer.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "sequencer.secretName" -}}
{{- default (include "sequencer.fullname" .) .Values.existingSecret -}}
{{- end -}}

{{- define "sequencer.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sequencer.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "sequencer.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sequencer.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The ports are said here, because `env` wins over the secret and the config map. */}}
{{- define "sequencer.env" -}}
- name: PORT
  value: "8080"
- name: GRPC_PORT
  value: "8081"
- name: DATA_DIR
  value: /data
- name: SHUTDOWN_TIMEOUT_SECS
  value: {{ .Values.shutdownTimeoutSecs | quote }}
# Hooks of an installation would wait for pods that wait for the schema, so the first pods see to it themselves.
- name: DB_MIGRATE_ON_STARTUP
  value: {{ not (and .Values.migrations.enabled .Release.IsUpgrade) | quote }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
