-- Who is active today is active this week, and who is active this week is active this month.
select * from {{ ref('fct_active_users') }}
where not (0 <= dau and dau <= wau and wau <= mau)
