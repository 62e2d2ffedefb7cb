-- depends_on: {{ ref('int_identity') }}
{{ config(post_hook='analyze {{ this }}') }}

{{ identified_events(ref('int_changed_events')) }}
