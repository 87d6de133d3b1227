//! Process monitor facility: pmfd and pmfadm.
