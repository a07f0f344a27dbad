{{/*
There is one operator in a cluster, and everything of it has one name: a second
installation is refused by Helm before two operators contradict each other.
*/}}
{{- define "devserver-operator.selectorLabels" -}}
app.kubernetes.io/name: devserver-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "devserver-operator.labels" -}}
{{ include "devserver-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
The reference of an image, by its short name: include … (list $ "agent").
*/}}
{{- define "devserver-operator.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with $root.Values.images -}}
{{- index . $name | default (printf "%s/%s:%s" (trimSuffix "/" .registry) $name (.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}
{{- end }}
