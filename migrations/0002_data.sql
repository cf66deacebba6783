-- The data tables: what analysts read. Columns and their meaning come from the catalogue in the code, from which
-- `argos-sync migrate` also writes the comments; a test compares both with this file.
-- Keys begin with the project. There are no foreign keys between data tables and no constraints across records, so
-- that the same tables can be distributed by the record's id.
-- Ids compare byte by byte (collate "C"): the vendor's are opaque, and every writer must lock them in one order.

-- Submissions.

create table argos.kyc_policy (
    project text collate "C" not null,
    policy_id text not null,
    option_aml boolean,
    option_address_data boolean,
    option_id_number boolean,
    option_mask_document_number boolean,
    option_validation_gov boolean,
    option_mask_id_number boolean,
    option_document_number boolean,
    option_ai_only boolean,
    policy_approve_period double precision,
    policy_age_limit double precision,
    policy_blacklist_countries text[],
    policy_accepted_id text[],
    primary key (project, policy_id)
);

create table argos.submission (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    created_at timestamptz,
    kyc_result text,
    kyc_result_at timestamptz,
    pending_at timestamptz,
    updated_at timestamptz,
    reviewer text,
    recognition_score double precision,
    argos_score double precision,
    age_group text,
    gender text,
    nationality text,
    id_type text,
    idcard_issuing_country text,
    aml_status text,
    aml_risk_level text,
    id_liveness_screen_play double precision,
    id_liveness_paper_printed double precision,
    id_liveness_replace_portraits double precision,
    pre_verification_request_id text,
    pre_verification_at timestamptz,
    pre_verification_fraud_score double precision,
    pre_verification_attempts_frequency text,
    pre_verification_country_code text,
    pre_verification_connection_type text,
    pre_verification_is_valid boolean,
    projection_id text,
    projection_name text,
    start_button_click_at timestamptz,
    memo_updated_at timestamptz,
    admin_updated_at timestamptz,
    kyc_policy_id text,
    userid_pseudonym text,
    email_pseudonym text,
    deleted_at timestamptz,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (project, submission_id)
);

create table argos.kyc_attempt (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    attempt_count bigint,
    step1_1st_at timestamptz,
    step1_2nd_at timestamptz,
    step1_3rd_at timestamptz,
    step2_1st_at timestamptz,
    step2_2nd_at timestamptz,
    step2_3rd_at timestamptz,
    ocr_result text,
    verification_result text,
    id_barcode_result text,
    face_similarity_score double precision,
    liveness_score double precision,
    liveness_detail_score double precision,
    liveness_probability double precision,
    liveness_quality double precision,
    retry_code text[],
    error_code text,
    primary key (project, submission_id, ordinal)
);

create table argos.kyc_reject_reason (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    comment_code text,
    has_comment boolean,
    primary key (project, submission_id, ordinal)
);

create table argos.aml_match (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    risk_level text,
    resource_id text,
    argos_number text,
    score double precision,
    risk_icons text[],
    primary key (project, submission_id, ordinal)
);

create table argos.submission_duplicate (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    kind text not null,
    duplicate_submission_id text not null,
    primary key (project, submission_id, kind, duplicate_submission_id)
);

create table argos.injection_action (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    type text,
    injected_at timestamptz,
    primary key (project, submission_id, ordinal)
);

create table argos.camera_process (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    type text,
    process_start_at timestamptz,
    process_end_at timestamptz,
    error text,
    primary key (project, submission_id, ordinal)
);

create table argos.bank_verification (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    result text,
    type text,
    bank_code text,
    retry_count bigint,
    primary key (project, submission_id)
);

create table argos_pii.submission_identity (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    email text,
    userid text,
    applicant_id text,
    token_id text,
    duplicated_information text,
    custom_duplicated_information text,
    name text,
    first_name text,
    last_name text,
    full_name text,
    date_of_birth date,
    ip_address text,
    idcard_issue_date date,
    idcard_expire_date date,
    document_number text,
    identity_number text,
    ssn_number text,
    phone_number text,
    type_of_permit text,
    type_of_permit_gov_kor text,
    expiry_date_of_stay_kor date,
    nationality_gov_kor text,
    address_city text,
    address_state text,
    address_street text,
    address_street2 text,
    address_zipcode text,
    address_country text,
    address_global_code text,
    address_compound_code text,
    address_formatted text,
    address_input text,
    address_detail text,
    cf1 text,
    cf2 text,
    cf3 text,
    memo text,
    kyc_comment text[],
    kyc_retry jsonb,
    ocr jsonb,
    ocr_raw jsonb,
    review jsonb,
    confidence jsonb,
    verification_face_age jsonb,
    signals_face_age jsonb,
    warning jsonb,
    aml_raw_data jsonb,
    admin_email text,
    pre_verification_ip_address text,
    account_number text,
    id_image text,
    id_back_image text,
    selfie_image text,
    address_image text,
    primary key (project, submission_id)
);

create table argos_pii.additional_answer (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    answer text,
    input_value text,
    block_type text,
    primary key (project, submission_id, ordinal)
);

create table argos_pii.kyc_attempt_verification (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    result_code text,
    result_message text,
    result_transaction_id text,
    result_extra_message text,
    res_authenticity text,
    res_expiration_date text,
    res_nationality text,
    res_authenticity_desc text,
    res_status text,
    user_name text,
    params_id_type text,
    params_nationality text,
    params_birth_date date,
    params_document_number text,
    retry_message text[],
    error_message text,
    error text,
    selfie_image text,
    primary key (project, submission_id, ordinal)
);

-- Face authentications.

create table argos.faceauth_policy (
    project text collate "C" not null,
    policy_id text not null,
    face_similarity_threshold double precision,
    occluded_threshold boolean,
    face_cover_threshold double precision,
    head_cover_threshold double precision,
    liveness_threshold double precision,
    active_liveness_threshold double precision,
    primary key (project, policy_id)
);

create table argos.faceauth (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    created_at timestamptz,
    status text,
    submit_type text,
    kyc_submission_id text,
    kyc_project text,
    active_liveness_score double precision,
    face_similarity double precision,
    detect_occluded boolean,
    faceauth_policy_id text,
    deleted_at timestamptz,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (project, auth_id)
);

create table argos.faceauth_failure (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    ordinal integer not null,
    fail_code text,
    has_comment boolean,
    primary key (project, auth_id, ordinal)
);

create table argos_pii.faceauth_comment (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    reject_comment text[],
    primary key (project, auth_id)
);

-- What analysts filter by.
create index submission_created_at on argos.submission (project, created_at);
create index faceauth_created_at on argos.faceauth (project, created_at);
create index faceauth_kyc_submission_id on argos.faceauth (kyc_project, kyc_submission_id);
